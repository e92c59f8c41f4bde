//! What waits for the writer: one lane per client, served in turn.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use super::upkeep::Asked;
use crate::error::Result;
use crate::protocol::PushResponse;
use crate::server::push::{Done, Work};
use crate::server::{JOBS, PushJob, Refusal, Task};
use crate::store::SqlExecutor;

/// Runs on the writer's connection, between two commits.
pub(super) type Visit = Box<dyn FnOnce(&mut dyn SqlExecutor) + Send>;

/// A push or a task that waits for its turn.
pub(super) enum Job {
    Push(PushJob, oneshot::Sender<Result<PushResponse, Refusal>>),
    Task(Task, oneshot::Sender<Result<()>>),
}

impl Job {
    pub(super) fn weight(&self) -> usize {
        match self {
            Job::Push(job, _) => job.request.mutations.len().max(1),
            Job::Task(..) => 1,
        }
    }

    /// Whose turn it takes: pushes of one client stay in order.
    pub(super) fn lane(&self) -> String {
        match self {
            Job::Push(job, _) => job.request.client_id.clone(),
            Job::Task(..) => JOBS.to_owned(),
        }
    }

    pub(super) fn work(&self) -> Work<'_> {
        match self {
            Job::Push(job, _) => Work::Push(job),
            Job::Task(task, _) => Work::Task(task),
        }
    }

    /// Answers. Whoever asked may be gone: its retry finds the outcome in the ledger.
    pub(super) fn answer(self, done: Done) {
        match (self, done) {
            (Job::Push(_, reply), Done::Push(answer)) => drop(reply.send(answer)),
            (Job::Task(_, reply), Done::Task(result)) => drop(reply.send(result)),
            // Dropping the reply tells the asker that the work was not done.
            _ => {}
        }
    }
}

#[derive(Default)]
pub(super) struct Queue {
    lanes: BTreeMap<String, VecDeque<Job>>,
    /// The lanes that have jobs, next first.
    turns: VecDeque<String>,
    pub(super) visits: VecDeque<Visit>,
    pub(super) compactions: VecDeque<Asked>,
    /// Jobs in all lanes.
    pub(super) jobs: usize,
    pub(super) closed: bool,
}

impl Queue {
    pub(super) fn add(&mut self, job: Job) {
        let lane = job.lane();
        let jobs = self.lanes.entry(lane.clone()).or_default();
        if jobs.is_empty() {
            self.turns.push_back(lane);
        }
        jobs.push_back(job);
        self.jobs += 1;
    }

    /// Puts back what a group had no time for, in its old place.
    pub(super) fn put_back(&mut self, left: Vec<Job>) {
        for job in left.into_iter().rev() {
            let lane = job.lane();
            self.turns.retain(|turn| *turn != lane);
            self.turns.push_front(lane.clone());
            self.lanes.entry(lane).or_default().push_front(job);
            self.jobs += 1;
        }
    }

    /// One push of each client in turn, up to so many mutations (a single push may have more).
    pub(super) fn take(&mut self, mutations: usize) -> Vec<Job> {
        let (mut group, mut weight) = (Vec::new(), 0);
        while let Some(lane) = self.turns.pop_front() {
            let Some(jobs) = self.lanes.get_mut(&lane) else { continue };
            let next = jobs.front().map_or(0, Job::weight);
            if !group.is_empty() && weight + next > mutations {
                self.turns.push_front(lane);
                break;
            }
            weight += next;
            group.extend(jobs.pop_front());
            if jobs.is_empty() {
                self.lanes.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
        }
        self.jobs -= group.len();
        group
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::tests::fixture::{job, mutation};

    fn queued(client: &str, mutations: u64) -> Job {
        let mutations: Vec<_> = (1..=mutations).map(|id| mutation(id, &format!("{client}{id}"), json!([]))).collect();
        Job::Push(job("alice", client, json!(mutations)), oneshot::channel().0)
    }

    fn taken(group: &[Job]) -> Vec<(String, usize)> {
        group.iter().map(|job| (job.lane(), job.weight())).collect()
    }

    #[test]
    fn every_client_has_its_turn_and_keeps_its_order() {
        let mut queue = Queue::default();
        for job in [queued("a", 200), queued("a", 50), queued("a", 1), queued("b", 1), queued("c", 2)] {
            queue.add(job);
        }
        let expect = |group: &[(&str, usize)]| group.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect::<Vec<_>>();
        let group = queue.take(256);
        assert_eq!(taken(&group), expect(&[("a", 200), ("b", 1), ("c", 2), ("a", 50), ("a", 1)]));
        assert_eq!(queue.jobs, 0);
        // What a group had no time for comes next, before what came meanwhile.
        queue.add(queued("a", 7));
        queue.add(queued("d", 1));
        let left = group.into_iter().skip(2).collect();
        queue.put_back(left);
        assert_eq!(taken(&queue.take(54)), expect(&[("c", 2), ("a", 50), ("d", 1), ("a", 1)]));
        assert_eq!(taken(&queue.take(1)), expect(&[("a", 7)]), "one push may be larger than a group");
        assert!(queue.take(1).is_empty() && queue.lanes.is_empty());
    }
}
