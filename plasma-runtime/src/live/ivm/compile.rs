//! From a query to its stages.

use super::Refusal;
use super::ask::RowNames;
use super::attach::{Asked, Attach};
use super::bound::{self, Bound, Names, bind};
use super::conditions::{Conditions, Places, deal};
use super::group::Grouping;
use super::join::Join;
use super::list::Sorting;
use super::nested::Related;
use super::pipeline::Pipeline;
use super::source::{Rows, Source, Table};
use super::tail::{Cut, Selected, Tail};
use super::window::Window;
use crate::query::ir::{self, Aggregate, ColumnRef, Expr, Part, Query, Select};

/// The stages of a query. `part` is what of its rows must equal what of the rows around it. Only an outermost query may
/// leave rows to the store.
pub(super) fn compile(query: &Query, part: &[Expr], outermost: bool) -> Result<Pipeline, Refusal> {
    let places = Places::new(query);
    let conditions = deal(&places)?;
    let mut names = RowNames::new(&places);
    if query.select == Select::Row {
        names.used.fill(true);
    }

    // What is asked of rows.
    let joins = joins(&places, &conditions, &mut names)?;
    let filter = bound::all(&conditions.rows, &mut names)?;
    let part_of = bound::all(part, &mut names)?;
    let late_filter = bound::all(&conditions.late, &mut names)?;
    let grouping = query.group.as_ref().map(|group| grouped(query, group, &part_of, part, &mut names)).transpose()?;
    let (group, mut unit_names) = match grouping {
        Some((group, known)) => {
            let row = std::mem::take(&mut names.asked);
            let base = group.width + row.len() + group.aggregates.len() + group.keys.len();
            let unit_names = RowNames { places: &places, used: names.used, asked: Vec::new(), base, known };
            (Some((group, row)), unit_names)
        }
        None => (None, names),
    };

    // What is asked of the rows, or of their groups.
    let having = query.group.iter().flat_map(|group| &group.having);
    let having = bound::all(having, &mut unit_names)?;
    let mut tail = tail(query, &mut unit_names)?;
    let hidden = query.nested.iter().map(|nested| unit_names.column(&nested.parent).map(Bound::Place));
    tail.uncounted = part.is_empty() && query.select == Select::Count;
    tail.hidden = hidden.collect::<Result<_, _>>()?;
    let related = related(query)?;
    let RowNames { mut used, asked: last, .. } = unit_names;

    let identity = identity(&places)?;
    if !query.joins.is_empty() || !last.is_empty() || group.as_ref().is_some_and(|(_, rows)| !rows.is_empty()) {
        identity.iter().for_each(|place| used[*place] = true);
    }
    let (attach, attach_to_groups, group) = match group {
        Some((mut group, rows)) => {
            group.width += rows.len();
            // The keys stand at the end of a group's row.
            let keys = group.width + group.aggregates.len();
            let attach_to_groups = attach(last, (keys..keys + group.keys.len()).collect());
            (attach(rows, identity), attach_to_groups, Some(group))
        }
        None => (attach(last, identity), None, None),
    };
    let mut pipeline = Pipeline {
        sources: sources(&places, &conditions, &used)?,
        joins,
        filter,
        attach,
        late_filter,
        part: part_of,
        group,
        attach_to_groups,
        having,
        tail,
        related,
        refill: None,
    };
    nothing(&mut pipeline)?;
    if outermost {
        cut(&mut pipeline, query, &conditions);
    }
    Ok(pipeline)
}

/// Attaches sub-queries, if there are any.
fn attach(asked: Vec<(Expr, Asked)>, identity: Vec<usize>) -> Option<Attach> {
    let asked: Vec<Asked> = asked.into_iter().map(|(_, asked)| asked).collect();
    (!asked.is_empty()).then(|| Attach::new(asked, identity))
}

/// The names of one source's rows.
struct SourceNames<'q> {
    places: &'q Places<'q>,
    start: usize,
}

impl Names for SourceNames<'_> {
    fn column(&mut self, column: &ColumnRef) -> Result<usize, Refusal> {
        let place = self.places.of(column)?;
        place.checked_sub(self.start).ok_or_else(|| Refusal::new("a condition is of another source"))
    }
    fn query(&mut self, _: &Expr) -> Result<usize, Refusal> {
        Err(Refusal::new("a condition of a single source has no sub-query"))
    }
    fn aggregate(&mut self, _: Aggregate, _: Option<&Expr>) -> Result<usize, Refusal> {
        Err(Refusal::new("an aggregate stands in a condition"))
    }
}

fn sources(places: &Places<'_>, conditions: &Conditions, used: &[bool]) -> Result<Vec<Source>, Refusal> {
    let mut sources = Vec::new();
    for (at, source) in places.query.sources().enumerate() {
        let start = places.starts[at];
        let filter = &conditions.sources[at];
        let rows = match &source.rows {
            ir::Rows::Table(table) => {
                let mut needed = used[start..places.starts[at + 1]].to_vec();
                // A row has at least one column.
                needed[table.id] |= !needed.contains(&true);
                Rows::Table(Box::new(Table::new(source, table, needed, filter)))
            }
            ir::Rows::Query(query, _) => Rows::Query(Box::new(compile(query, &[], false)?)),
            ir::Rows::Nothing => Rows::Nothing,
        };
        sources.push(Source::new(rows, bound::all(filter, &mut SourceNames { places, start })?));
    }
    Ok(sources)
}

fn joins(places: &Places<'_>, conditions: &Conditions, names: &mut RowNames<'_>) -> Result<Vec<Join>, Refusal> {
    let identity = identity(places)?;
    let mut joins = Vec::new();
    for (at, join) in places.query.joins.iter().enumerate() {
        let (start, end) = (places.starts[at + 1], places.starts[at + 2]);
        let (keys, residual) = &conditions.joins[at];
        let left = bound::all(keys.iter().map(|(left, _)| left), names)?;
        // Bound twice: as a column of the whole row, so that it is read at all, and as one of the source's rows.
        bound::all(keys.iter().map(|(_, right)| right), names)?;
        let right = bound::all(keys.iter().map(|(_, right)| right), &mut SourceNames { places, start })?;
        let before = identity.iter().copied().filter(|place| *place < start).collect();
        let own = identity.iter().filter(|place| (start..end).contains(place)).map(|place| place - start).collect();
        let residual = bound::all(residual, names)?;
        joins.push(Join::new(join.left, (left, right), residual, end - start, (before, own)));
    }
    Ok(joins)
}

/// Places of what tells joined rows apart.
fn identity(places: &Places<'_>) -> Result<Vec<usize>, Refusal> {
    let mut identity = Vec::new();
    for source in places.query.sources() {
        for expr in source.identity() {
            if let Expr::Column(column) = expr {
                identity.push(places.of(&column)?);
            }
        }
    }
    Ok(identity)
}

/// The groups, and where the values stand that a group's row ends with.
type Grouped = (Grouping, Vec<(Expr, usize)>);

fn grouped(
    query: &Query,
    group: &ir::Group,
    part_of: &[Bound],
    part: &[Expr],
    names: &mut RowNames<'_>,
) -> Result<Grouped, Refusal> {
    let mut wanted = Vec::new();
    let mut collect = |expr: &Expr| aggregates(expr, &mut wanted);
    if let Select::Exprs(exprs) = &query.select {
        exprs.iter().for_each(&mut collect);
    }
    group.having.iter().chain(query.order.iter().map(|order| &order.expr)).for_each(&mut collect);
    let mut keys = bound::all(part, names)?;
    debug_assert_eq!(keys.len(), part_of.len());
    keys.extend(bound::all(&group.keys, names)?);
    let mut folded = Vec::new();
    for expr in &wanted {
        if let Expr::Aggregate { function, expr } = expr {
            folded.push((*function, expr.as_ref().map(|expr| bind(expr, names)).transpose()?));
        }
    }
    let width = names.base;
    // A sub-query that rows are grouped by has its value in the rows.
    let mut known: Vec<_> = names.asked.iter().enumerate().map(|(at, (expr, _))| (expr.clone(), width + at)).collect();
    let first = width + known.len();
    known.extend(wanted.into_iter().enumerate().map(|(at, expr)| (expr, first + at)));
    let always = part.is_empty() && group.keys.is_empty();
    Ok((Grouping::new(keys, folded, width, always), known))
}

/// The different aggregates of an expression.
fn aggregates(expr: &Expr, found: &mut Vec<Expr>) {
    if matches!(expr, Expr::Aggregate { .. }) {
        if !found.contains(expr) {
            found.push(expr.clone());
        }
        return;
    }
    expr.parts(&mut |part| {
        if let Part::Expr(expr) = part {
            aggregates(expr, found);
        }
    });
}

fn tail(query: &Query, names: &mut RowNames<'_>) -> Result<Tail, Refusal> {
    let window = Window::new(query.offset, query.limit);
    let selected = match &query.select {
        Select::Row if query.group.is_some() => return Err(Refusal::new("a grouped query has no whole rows")),
        Select::Row => Selected::Row(names.places.width()),
        Select::Exprs(exprs) => Selected::Exprs(bound::all(exprs, names)?),
        Select::Count => Selected::Count,
    };
    if matches!(selected, Selected::Count) {
        return Ok(Tail::new(selected, Sorting { exprs: Vec::new(), descending: Vec::new() }, window));
    }
    let identity = query.identity();
    let exprs = query.order.iter().map(|order| &order.expr).chain(&identity);
    let sorting = Sorting {
        exprs: bound::all(exprs, names)?,
        descending: query.order.iter().map(|order| order.descending).collect(),
    };
    let mut tail = Tail::new(selected, sorting, window);
    tail.distinct = query.distinct;
    Ok(tail)
}

fn related(query: &Query) -> Result<Option<Related>, Refusal> {
    let mut queries = Vec::new();
    for nested in &query.nested {
        let tie = Expr::column(nested.query.from.name, nested.column);
        queries.push(compile(&nested.query, &[tie], false)?);
    }
    Ok((!queries.is_empty()).then(|| Related::new(queries, query.width())))
}

/// What the part of a row without any rows shows: the one group of nothing.
fn nothing(pipeline: &mut Pipeline) -> Result<(), Refusal> {
    let Some(group) = &pipeline.group else { return Ok(()) };
    if pipeline.part.is_empty() || group.keys.len() > pipeline.part.len() {
        return Ok(());
    }
    if pipeline.attach_to_groups.is_some() {
        return Err(Refusal::new("a group of no rows asks a sub-query"));
    }
    let empty = |_| Refusal::new("the values of a group of no rows cannot be calculated");
    let row = group.nothing().map_err(empty)?;
    let kept = bound::satisfies(&pipeline.having, &row).map_err(empty)?;
    if kept && !matches!(pipeline.tail.selected, Selected::Count) {
        pipeline.tail.nothing = vec![pipeline.tail.entry(&row).map_err(empty)?.row];
    }
    if kept && matches!(pipeline.tail.selected, Selected::Count) {
        return Err(Refusal::new("the groups of no rows are counted"));
    }
    Ok(())
}

/// Of the rows of one table in order, only those near the window are held, and the store is asked for more.
fn cut(pipeline: &mut Pipeline, query: &Query, conditions: &Conditions) {
    let plain = query.joins.is_empty()
        && query.group.is_none()
        && !query.distinct
        && query.limit.is_some()
        && query.select != Select::Count
        && pipeline.attach.is_none()
        && pipeline.filter.is_empty();
    let Some(Source { rows: Rows::Table(table), .. }) = pipeline.sources.first() else { return };
    if !plain {
        return;
    }
    debug_assert!(conditions.late.is_empty());
    let capacity = u64::try_from(pipeline.tail.capacity()).unwrap_or(u64::MAX);
    pipeline.refill = Some(Query { order: query.order.clone(), limit: Some(capacity), ..table.load().clone() });
    pipeline.tail.cut = Some(Cut::default());
}
