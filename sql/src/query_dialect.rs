//! The grammar of queries that DataFusion plans.

use std::any::TypeId;

use datafusion_sql::sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, UnaryOperator};
use datafusion_sql::sqlparser::dialect::{Dialect, GenericDialect, Precedence};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::Token;

/// sqlparser's generic grammar with what MySQL's users type.
#[derive(Debug)]
pub(crate) struct QueryDialect;

impl Dialect for QueryDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        crate::token::is_word_part(c)
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    /// `!a` binds tighter than any operator in MySQL; DataFusion knows NOT only.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        if parser.peek_token_ref().token != Token::ExclamationMark {
            return None;
        }
        parser.next_token();
        let operand = parser.parse_subexpr(self.prec_value(Precedence::DoubleColon));
        Some(operand.map(|operand| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(operand) }))
    }

    /// MySQL's order (MySQL manual, "Operator Precedence"): XOR lies between AND and OR.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Xor => 7,
            other => GenericDialect.prec_value(other),
        }
    }

    /// MySQL's order: `^`, then `*`, then `+`, then `<<`, then `&`.
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Caret => Some(Ok(self.prec_value(Precedence::MulDivModOp) + 2)),
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(self.prec_value(Precedence::PlusMinus) - 2)),
            _ => None,
        }
    }

    /// Operators of MySQL, Hive and StarRocks that DataFusion has under another name or not at all.
    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let infix = if parser.parse_keyword(Keyword::DIV) {
            Infix::IntegerDivide
        } else if parser.parse_keyword(Keyword::XOR) {
            Infix::Xor
        } else if parser.parse_one_of_keywords(REGEXP).is_some() {
            Infix::Regexp(BinaryOperator::PGRegexMatch)
        } else if REGEXP.iter().any(|word| parser.parse_keywords(&[Keyword::NOT, *word])) {
            Infix::Regexp(BinaryOperator::PGRegexNotMatch)
        } else {
            return None;
        };
        let precedence = match infix {
            Infix::IntegerDivide => Precedence::MulDivModOp,
            Infix::Xor => Precedence::Xor,
            Infix::Regexp(_) => Precedence::Like,
        };
        Some(parser.parse_subexpr(self.prec_value(precedence)).map(|right| infix.apply(left.clone(), right)))
    }

    fn supports_string_literal_concatenation(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_in_empty_list(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    /// `MAP<STRING, INT>`, the type.
    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn supports_projection_trailing_commas(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_subquery_as_function_arg(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_extract_comma_syntax(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_try_convert(&self) -> bool {
        true
    }

    fn supports_binary_kw_as_cast(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }
}

/// Both spellings of a match with a regular expression; letter case counts, as in Hive and StarRocks.
const REGEXP: &[Keyword] = &[Keyword::RLIKE, Keyword::REGEXP];

/// An operator that is written in others.
enum Infix {
    /// `a DIV b`: the quotient without its fraction.
    IntegerDivide,
    /// `a XOR b` of truth values; DataFusion would take it for the operator on bits.
    Xor,
    Regexp(BinaryOperator),
}

impl Infix {
    fn apply(self, left: Expr, right: Expr) -> Expr {
        match self {
            Self::IntegerDivide => cast(binary(left, BinaryOperator::Divide, right), DataType::BigInt(None)),
            Self::Xor => {
                let (left, right) = (cast(left, DataType::Boolean), cast(right, DataType::Boolean));
                Expr::Nested(Box::new(binary(left, BinaryOperator::NotEq, right)))
            }
            Self::Regexp(op) => binary(left, op, right),
        }
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}
