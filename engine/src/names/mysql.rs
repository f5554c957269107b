//! What MySQL's users write, as DataFusion has it. Works on the parsed query, so that types are not known yet.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Query, VisitMut, VisitorMut};

/// The parser writes `a DIV b` as a cast of `a / b`, which would lose digits where `/` gives a double.
pub(super) fn restore_div(query: &mut Query) {
    struct Restorer;
    impl VisitorMut for Restorer {
        type Break = std::convert::Infallible;
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
            if let Expr::Cast { expr: inner, data_type: DataType::BigInt(None), .. } = expr
                && let Expr::BinaryOp { left, op: BinaryOperator::Divide, right } = inner.as_ref()
            {
                let (left, right) = (left.clone(), right.clone());
                *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::MyIntegerDivide, right }));
            }
            ControlFlow::Continue(())
        }
    }
    let ControlFlow::Continue(()) = query.visit(&mut Restorer);
}
