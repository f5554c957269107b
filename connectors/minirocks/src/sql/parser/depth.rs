//! Bounds the depth of a syntax tree. `a OR b OR c …` is read as a tree as deep as it is long, and everything that walks a tree,
//! even dropping it, needs stack in proportion: a server that many clients share cannot let one of them decide how much.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};

use crate::sql::error::SqlError;

/// Deepest expression after chains of AND and OR are balanced.
const MAX_DEPTH: usize = 200;
/// Stack of the thread that drops a tree which is too deep: the most operators of a query, each with some frames.
const DROP_STACK_BYTES: usize = 256 << 20;

/// Balances chains of AND and OR, and refuses what is too deep all the same.
pub(super) fn flatten<T: VisitMut + Send + 'static>(mut tree: T) -> Result<T, SqlError> {
    if tree.visit(&mut Balancer::default()).is_continue() {
        return Ok(tree);
    }
    let dropper = std::thread::Builder::new().stack_size(DROP_STACK_BYTES).spawn(move || drop(tree));
    let dropped = dropper.map(std::thread::JoinHandle::join);
    if !matches!(dropped, Ok(Ok(()))) {
        tracing::error!("a syntax tree could not be dropped");
    }
    Err(SqlError::analysis(format!("the expression is nested deeper than {MAX_DEPTH} levels")))
}

#[derive(Default)]
struct Balancer {
    depth: usize,
}

impl VisitorMut for Balancer {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr {
            let op = op.clone();
            balance(expr, &op);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Makes a chain of one operator as shallow as it can be. Both operators are associative, with NULL too.
fn balance(expr: &mut Expr, op: &BinaryOperator) {
    let mut members = Vec::new();
    let mut rest = std::mem::replace(expr, placeholder());
    loop {
        match rest {
            Expr::BinaryOp { left, op: found, right } if found == *op => {
                members.push(*right);
                rest = *left;
            }
            first => {
                members.push(first);
                break;
            }
        }
    }
    members.reverse();
    while members.len() > 1 {
        let mut pairs = members.into_iter();
        let mut halved = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(left) = pairs.next() {
            halved.push(match pairs.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        members = halved;
    }
    if let Some(balanced) = members.pop() {
        *expr = balanced;
    }
}

fn placeholder() -> Expr {
    Expr::Value(Value::Null.into())
}
