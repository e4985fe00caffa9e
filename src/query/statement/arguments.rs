//! Arguments of named queries: literals and parameters, held against the types that the contract declares.
//!
//! INVARIANT: a value reaches the query as a literal of the syntax tree, never as part of a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, ExactNumberInfo, Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident,
    TimezoneInfo, UnaryOperator, Value,
};

use super::allow_list::normalised;
use super::template::{placeholder, placeholder_number};
use super::{Arguments, QueryTemplate, shortened};
use crate::product::{Argument, Parameter, ParameterType};
use crate::query::{Limits, QueryError};

/// What stands in the place of a parameter.
enum Given {
    Value(Argument),
    /// A parameter of the statement.
    Parameter(usize),
}

/// The arguments of a product request as those of a call, and how many parameters they have.
pub(super) fn of_request(
    template: &Arc<QueryTemplate>,
    arguments: Arguments<'_>,
    limits: &Limits,
) -> Result<(Vec<FunctionArg>, usize), QueryError> {
    let declared = &template.declared().parameters;
    let given = match arguments {
        Arguments::Open => {
            let open =
                (1..=declared.len()).map(|number| FunctionArg::Unnamed(FunctionArgExpr::Expr(placeholder(number))));
            return Ok((open.collect(), declared.len()));
        }
        Arguments::Given(given) => given,
    };
    if given.len() > limits.max_parameters {
        return Err(QueryError::limit(format!("at most {} arguments may be given", limits.max_parameters)));
    }
    let bytes: usize = given.iter().map(|(_, argument)| length(argument)).sum();
    if bytes > limits.max_sql_bytes {
        return Err(QueryError::limit(format!("arguments may have at most {} bytes", limits.max_sql_bytes)));
    }
    let named = given.iter().map(|(name, argument)| FunctionArg::Named {
        name: Ident::with_quote('"', name),
        arg: FunctionArgExpr::Expr(plain(argument)),
        operator: FunctionArgOperator::RightArrow,
    });
    Ok((named.collect(), 0))
}

fn length(argument: &Argument) -> usize {
    match argument {
        Argument::Null | Argument::Flag(_) => 1,
        Argument::Number(text) | Argument::Text(text) => text.len(),
    }
}

/// An argument as its giver could have written it.
fn plain(argument: &Argument) -> Expr {
    let value = match argument {
        Argument::Null => Value::Null,
        Argument::Flag(flag) => Value::Boolean(*flag),
        Argument::Number(text) => Value::Number(text.clone(), false),
        Argument::Text(text) => Value::SingleQuotedString(text.clone()),
    };
    Expr::Value(value.into())
}

/// What stands for each parameter of a query that is called as `called`. `types` gathers what is thereby known of the
/// statement's own parameters.
pub(super) fn bind(
    called: &str,
    template: &QueryTemplate,
    arguments: &[FunctionArg],
    types: &mut BTreeMap<usize, ParameterType>,
) -> Result<Vec<Expr>, QueryError> {
    let parameters = &template.declared().parameters;
    let mut given: Vec<Option<Given>> = parameters.iter().map(|_| None).collect();
    let mut named = false;
    for (at, argument) in arguments.iter().enumerate() {
        let (position, expr) = match argument {
            FunctionArg::Unnamed(expr) if !named => (at, expr),
            FunctionArg::Named {
                name,
                arg,
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            }
            | FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg,
                operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            } => {
                named = true;
                (position(called, parameters, name)?, arg)
            }
            _ => {
                return Err(QueryError::invalid(format!(
                    "arguments of `{called}` are written in order, or after those as `name => value`"
                )));
            }
        };
        let (Some(parameter), Some(place)) = (parameters.get(position), given.get_mut(position)) else {
            return Err(QueryError::invalid(format!(
                "`{called}` takes {}, {} were given",
                counted(parameters),
                arguments.len()
            )));
        };
        let name = &parameter.name;
        if place.is_some() {
            return Err(QueryError::invalid(format!("the argument `{name}` of `{called}` is given twice")));
        }
        let value = read(expr).ok_or_else(|| {
            QueryError::invalid(format!("the argument `{name}` of `{called}` must be a literal or a parameter"))
        })?;
        *place = Some(value);
    }
    let bound = parameters.iter().zip(given).map(|(parameter, given)| {
        let Parameter { name, data_type, default, .. } = parameter;
        match given.or_else(|| default.clone().map(Given::Value)) {
            None => Err(QueryError::invalid(format!("`{called}` asks for the argument `{name}`, a {data_type}"))),
            Some(Given::Value(argument)) => {
                data_type.fits(&argument).map_err(|_| {
                    QueryError::invalid(format!("the argument `{name}` of `{called}` must be a {data_type}"))
                })?;
                Ok(typed(&argument, data_type))
            }
            Some(Given::Parameter(number)) => {
                let known = types.entry(number).or_insert_with(|| data_type.clone());
                if known != data_type {
                    return Err(QueryError::invalid(format!(
                        "the parameter `${number}` is the argument of two types, {known} and {data_type}"
                    )));
                }
                Ok(cast(placeholder(number), data_type))
            }
        }
    });
    bound.collect()
}

fn position(called: &str, parameters: &[Parameter], name: &Ident) -> Result<usize, QueryError> {
    let name = normalised(name);
    let found = parameters.iter().position(|parameter| parameter.name.as_str() == name);
    found.ok_or_else(|| QueryError::invalid(format!("`{called}` has no parameter `{}`", shortened(&name))))
}

/// `2 arguments: `a`, `b``
fn counted(parameters: &[Parameter]) -> String {
    let names: Vec<String> = parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
    match names.len() {
        0 => "no arguments".to_owned(),
        1 => format!("1 argument, {}", names.join(", ")),
        several => format!("{several} arguments, {}", names.join(", ")),
    }
}

/// A literal or a parameter; nothing else is an argument.
fn read(expr: &FunctionArgExpr) -> Option<Given> {
    let FunctionArgExpr::Expr(expr) = expr else { return None };
    let value = match expr {
        Expr::Value(value) => literal(&value.value)?,
        Expr::UnaryOp { op, expr } => match (op, expr.as_ref()) {
            (UnaryOperator::Minus | UnaryOperator::Plus, Expr::Value(value)) => match &value.value {
                Value::Number(number, false) if *op == UnaryOperator::Minus => {
                    Given::Value(Argument::Number(format!("-{number}")))
                }
                Value::Number(number, false) => Given::Value(Argument::Number(number.clone())),
                _ => return None,
            },
            _ => return None,
        },
        // `DATE '2026-01-31'`: the contract's type is what counts.
        Expr::TypedString(typed) if matches!(typed.data_type, SqlType::Date | SqlType::Timestamp(..)) => {
            match literal(&typed.value.value)? {
                Given::Value(Argument::Text(text)) => Given::Value(Argument::Text(text)),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(value)
}

fn literal(value: &Value) -> Option<Given> {
    Some(Given::Value(match value {
        Value::Placeholder(text) => return placeholder_number(text).map(Given::Parameter),
        Value::Number(number, false) => Argument::Number(number.clone()),
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Argument::Text(text.clone()),
        Value::DollarQuotedString(text) => Argument::Text(text.value.clone()),
        Value::Boolean(flag) => Argument::Flag(*flag),
        Value::Null => Argument::Null,
        _ => return None,
    }))
}

/// The value as an expression of exactly the type.
fn typed(argument: &Argument, data_type: &ParameterType) -> Expr {
    match (argument, data_type.as_arrow()) {
        (Argument::Flag(_), _) | (Argument::Text(_), DataType::Utf8) => plain(argument),
        // SQL takes a number without a sign for a BIGINT; LIMIT asks for such a plain one.
        (Argument::Number(text), DataType::Int64) if text.bytes().all(|byte| byte.is_ascii_digit()) => plain(argument),
        (Argument::Number(text), _) => cast(plain(&Argument::Text(text.clone())), data_type),
        (argument, _) => cast(plain(argument), data_type),
    }
}

fn cast(expr: Expr, data_type: &ParameterType) -> Expr {
    let to = |data_type, expr| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    };
    match data_type.as_arrow() {
        DataType::Timestamp(_, Some(_)) => Expr::AtTimeZone {
            timestamp: Box::new(to(SqlType::Timestamp(Some(9), TimezoneInfo::None), expr)),
            time_zone: Box::new(plain(&Argument::Text("UTC".to_owned()))),
        },
        other => to(sql_type(other), expr),
    }
}

/// The type as DataFusion's SQL reads it.
fn sql_type(data_type: &DataType) -> SqlType {
    match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 => SqlType::TinyInt(None),
        DataType::Int16 => SqlType::SmallInt(None),
        DataType::Int32 => SqlType::Int(None),
        DataType::Int64 => SqlType::BigInt(None),
        DataType::UInt8 => SqlType::TinyIntUnsigned(None),
        DataType::UInt16 => SqlType::SmallIntUnsigned(None),
        DataType::UInt32 => SqlType::IntUnsigned(None),
        DataType::UInt64 => SqlType::BigIntUnsigned(None),
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::DoublePrecision,
        DataType::Decimal128(precision, scale) => {
            SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
        }
        DataType::Date32 => SqlType::Date,
        DataType::Timestamp(unit, _) => SqlType::Timestamp(
            Some(match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            }),
            TimezoneInfo::None,
        ),
        _ => SqlType::Varchar(None),
    }
}
