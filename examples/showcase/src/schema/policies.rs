//! Who may read and write which rows.
//!
//! A rule is a condition, made from the caller and nothing else. It becomes SQL when rows are pulled, and is checked when
//! rows are written. What is not written allows nothing.

use plasma::prelude::*;
use plasma::query::Col;

use super::{
    Audit, Branch, Caller, Comment, Customer, Invoice, Job, Line, Part, Person, Photo, Reaction, Role, Staff, Stock,
};

/// Rows of a branch in which the caller has at least this role. One rule for every table that has a branch: the column
/// is an argument. `in_query`: the branch is among those of a sub-query.
fn works_there<T: Table>(branch: Col<T, Id<Branch>>, caller: &Caller, role: Role) -> Filter<T> {
    let Some(me) = caller.person else { return Filter::nothing() };
    let mine = Staff::select().filter(Staff::person_id.eq(me).and(Staff::role.gte(role)));
    branch.in_query(mine.project(Staff::branch_id)).into()
}

/// Tables whose rows belong to a job, so that one rule fits them all.
trait OfJob: Table {
    const JOB: Col<Self, Id<Job>>;
}

impl OfJob for Line {
    const JOB: Col<Self, Id<Job>> = Line::job_id;
}
impl OfJob for Comment {
    const JOB: Col<Self, Id<Job>> = Comment::job_id;
}
impl OfJob for Reaction {
    const JOB: Col<Self, Id<Job>> = Reaction::job_id;
}
impl OfJob for Photo {
    const JOB: Col<Self, Id<Job>> = Photo::job_id;
}

/// What somebody said.
trait Said: OfJob {
    const BY: Col<Self, Id<Person>>;
}

impl Said for Comment {
    const BY: Col<Self, Id<Person>> = Comment::author_id;
}
impl Said for Reaction {
    const BY: Col<Self, Id<Person>> = Reaction::person_id;
}

/// Rows of a job that the caller may read. `has`: the row a foreign key refers to satisfies a rule, here a whole policy.
fn of_my_jobs<T: OfJob>(caller: &Caller) -> Filter<T> {
    T::JOB.has(Job::read(caller)).into()
}

/// Those that the caller said.
fn my_own<T: Said>(caller: &Caller) -> Filter<T> {
    of_my_jobs(caller).and(T::BY.is(caller.person))
}

// One rule for all four operations.
plasma::policy!(Caller => Photo: of_my_jobs);
// Several tables, and each rule by its name.
plasma::policy!(Caller => Comment, Reaction: read = of_my_jobs, insert = my_own, update = my_own, delete = my_own);

impl Policy<Caller> for Branch {
    /// `Filter::all()` and `Filter::when(..)` are the rules without columns.
    fn read(_: &Caller) -> Filter<Branch> {
        Filter::all()
    }
    fn insert(caller: &Caller) -> Filter<Branch> {
        Filter::when(caller.head_office)
    }
    /// `any`: some row that refers to this one satisfies a condition. `Filter`s are put together with `and` and `or`.
    fn update(caller: &Caller) -> Filter<Branch> {
        let Some(me) = caller.person else { return Self::insert(caller) };
        Self::insert(caller).or(Staff::branch_id.any(Staff::person_id.eq(me).and(Staff::role.eq(Role::Manager))))
    }
    /// Never changed by an update, whoever asks.
    const FROZEN: Columns<Branch> = columns!(Branch::opened_on);
}

impl Policy<Caller> for Person {
    fn read(caller: &Caller) -> Filter<Person> {
        Filter::when(caller.head_office || caller.person.is_some())
    }
    /// Managers hire.
    fn insert(caller: &Caller) -> Filter<Person> {
        Self::read(caller)
    }
    /// Everybody keeps their own row. `is`: equal, or both missing; nobody's id is missing, so it allows a guest nothing.
    fn update(caller: &Caller) -> Filter<Person> {
        Person::id.is(caller.person).into()
    }
}

impl Policy<Caller> for Staff {
    fn read(caller: &Caller) -> Filter<Staff> {
        Filter::when(caller.head_office || caller.person.is_some())
    }
    fn insert(caller: &Caller) -> Filter<Staff> {
        Filter::when(caller.head_office).or(works_there(Staff::branch_id, caller, Role::Manager))
    }
    fn update(caller: &Caller) -> Filter<Staff> {
        Self::insert(caller)
    }
    fn delete(caller: &Caller) -> Filter<Staff> {
        Self::insert(caller)
    }
    const FROZEN: Columns<Staff> = columns!(Staff::branch_id, Staff::person_id);
}

impl Policy<Caller> for Customer {
    fn read(caller: &Caller) -> Filter<Customer> {
        works_there(Customer::branch_id, caller, Role::Apprentice)
    }
    fn insert(caller: &Caller) -> Filter<Customer> {
        Self::read(caller)
    }
    fn update(caller: &Caller) -> Filter<Customer> {
        Self::read(caller)
    }
    fn delete(caller: &Caller) -> Filter<Customer> {
        works_there(Customer::branch_id, caller, Role::Manager)
    }
}

impl Policy<Caller> for Part {
    fn read(_: &Caller) -> Filter<Part> {
        Filter::all()
    }
    fn insert(caller: &Caller) -> Filter<Part> {
        Filter::when(caller.head_office)
    }
    fn update(caller: &Caller) -> Filter<Part> {
        Filter::when(caller.head_office)
    }
    fn delete(caller: &Caller) -> Filter<Part> {
        Filter::when(caller.head_office)
    }
}

impl Policy<Caller> for Stock {
    /// Head office sees every shelf, a mechanic those of the branch.
    fn read(caller: &Caller) -> Filter<Stock> {
        Filter::when(caller.head_office).or(works_there(Stock::branch_id, caller, Role::Apprentice))
    }
    fn insert(caller: &Caller) -> Filter<Stock> {
        Self::read(caller)
    }
    fn update(caller: &Caller) -> Filter<Stock> {
        Self::read(caller)
    }
    const FROZEN: Columns<Stock> = columns!(Stock::branch_id, Stock::part_id);
}

impl Policy<Caller> for Job {
    fn read(caller: &Caller) -> Filter<Job> {
        works_there(Job::branch_id, caller, Role::Apprentice)
    }
    fn insert(caller: &Caller) -> Filter<Job> {
        works_there(Job::branch_id, caller, Role::Mechanic)
    }
    /// Must hold for the row before the statement and at the end of the mutation: nobody gives a job to a branch they do
    /// not work in. `not()`: apprentices do not touch what is closed.
    fn update(caller: &Caller) -> Filter<Job> {
        let closed = Filter::from(Job::status.eq(super::Status::Closed));
        Self::insert(caller).or(Self::read(caller).and(closed.not()))
    }
    fn delete(caller: &Caller) -> Filter<Job> {
        works_there(Job::branch_id, caller, Role::Manager)
    }
    const FROZEN: Columns<Job> = columns!(Job::number, Job::created_at);
}

impl Policy<Caller> for Line {
    fn read(caller: &Caller) -> Filter<Line> {
        of_my_jobs(caller)
    }
    fn insert(caller: &Caller) -> Filter<Line> {
        Self::read(caller)
    }
    fn update(caller: &Caller) -> Filter<Line> {
        Self::read(caller)
    }
    fn delete(caller: &Caller) -> Filter<Line> {
        Self::read(caller)
    }
    const FROZEN: Columns<Line> = columns!(Line::job_id);
}

/// Nobody inserts an invoice: the server does, with its own rights.
impl Policy<Caller> for Invoice {
    /// The general form: `exists` of a query that mentions the row outside.
    fn read(caller: &Caller) -> Filter<Invoice> {
        let Some(me) = caller.person else { return Filter::nothing() };
        let employed = Staff::select()
            .correlate::<Invoice>()
            .filter(Staff::branch_id.eq(Invoice::branch_id))
            .filter(Staff::person_id.eq(me));
        exists(employed).into()
    }
}

impl Policy<Caller> for Audit {
    fn read(caller: &Caller) -> Filter<Audit> {
        works_there(Audit::branch_id, caller, Role::Manager)
    }
}
