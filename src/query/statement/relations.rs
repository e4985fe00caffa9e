//! Queries and relations: what may be read, and in which shape.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, NamedWindowDefinition,
    NamedWindowExpr, ObjectName, ObjectNamePart, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::allow_list::{Review, normalised};
use super::{TableName, shortened};
use crate::query::QueryError;

type Reviewed = Result<(), QueryError>;

/// The common table expressions of one WITH, by name.
pub(super) type Scope = HashMap<String, Weight>;

/// What using a common table expression once more costs: planning puts a copy of it there, so that a chain
/// of expressions that each use the one before twice grows to two to the power of its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    nodes: usize,
    relations: usize,
}

impl Review<'_> {
    pub(super) fn review_query(&mut self, query: &Query) -> Reviewed {
        self.node(|review| {
            review.scopes.push(Scope::new());
            review.review_query_within(query)?;
            review.scopes.pop();
            Ok(())
        })
    }

    fn review_query_within(&mut self, query: &Query) -> Reviewed {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        refuse(fetch.is_some(), "FETCH")?;
        refuse(!locks.is_empty(), "FOR UPDATE or FOR SHARE")?;
        refuse(for_clause.is_some(), "FOR XML or FOR JSON")?;
        refuse(settings.is_some(), "SETTINGS")?;
        refuse(format_clause.is_some(), "FORMAT")?;
        refuse(!pipe_operators.is_empty(), "the pipe operator |>")?;
        if let Some(with) = with {
            refuse(with.recursive, "WITH RECURSIVE")?;
            with.cte_tables.iter().try_for_each(|cte| self.review_cte(cte))?;
        }
        self.review_set_expr(body)?;
        if let Some(order_by) = order_by {
            refuse(order_by.interpolate.is_some(), "INTERPOLATE")?;
            match &order_by.kind {
                OrderByKind::All(_) => {}
                OrderByKind::Expressions(order) => self.review_order(order)?,
            }
        }
        match limit_clause {
            None => Ok(()),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                refuse(!limit_by.is_empty(), "LIMIT BY")?;
                self.review_all(limit)?;
                self.review_all(offset.iter().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => self.review_all([offset, limit]),
        }
    }

    fn review_cte(&mut self, cte: &Cte) -> Reviewed {
        let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
        refuse(from.is_some(), "FROM after a common table expression")?;
        review_alias(alias)?;
        let (nodes, relations) = (self.nodes, self.relations);
        self.review_query(query)?;
        let weight = Weight { nodes: self.nodes - nodes, relations: self.relations - relations };
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(normalised(&alias.name), weight);
        }
        Ok(())
    }

    fn review_set_expr(&mut self, set_expr: &SetExpr) -> Reviewed {
        self.node(|review| match set_expr {
            SetExpr::Select(select) => review.review_select(select),
            SetExpr::Query(query) => review.review_query(query),
            SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
                review.review_set_expr(left)?;
                review.review_set_expr(right)
            }
            SetExpr::Values(values) => values.rows.iter().try_for_each(|row| review.review_all(&row.content)),
            SetExpr::Insert(_) => Err(QueryError::unsupported("INSERT")),
            SetExpr::Update(_) => Err(QueryError::unsupported("UPDATE")),
            SetExpr::Delete(_) => Err(QueryError::unsupported("DELETE")),
            SetExpr::Merge(_) => Err(QueryError::unsupported("MERGE")),
            SetExpr::Table(_) => Err(QueryError::unsupported("TABLE")),
        })
    }

    fn review_select(&mut self, select: &Select) -> Reviewed {
        let Select {
            select_token: _,
            optimizer_hints: _,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor: _,
        } = select;
        refuse(select_modifiers.as_ref().is_some_and(|modifiers| modifiers.is_any_set()), "a modifier of SELECT")?;
        refuse(top.is_some(), "TOP")?;
        refuse(exclude.is_some(), "EXCLUDE after the SELECT list")?;
        refuse(into.is_some(), "SELECT INTO")?;
        refuse(!lateral_views.is_empty(), "LATERAL VIEW")?;
        refuse(prewhere.is_some(), "PREWHERE")?;
        refuse(!connect_by.is_empty(), "CONNECT BY")?;
        refuse(!cluster_by.is_empty(), "CLUSTER BY")?;
        refuse(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
        refuse(!sort_by.is_empty(), "SORT BY")?;
        refuse(value_table_mode.is_some(), "SELECT AS")?;

        if let Some(Distinct::On(exprs)) = distinct {
            self.review_all(exprs)?;
        }
        if projection.len() > self.limits.max_columns {
            return Err(QueryError::limit(format!("a SELECT list may have at most {} items", self.limits.max_columns)));
        }
        from.iter().try_for_each(|table| self.review_table_with_joins(table))?;
        projection.iter().try_for_each(|item| self.review_item(item))?;
        self.review_all(selection)?;
        self.review_group_by(group_by)?;
        self.review_all(having)?;
        self.review_all(qualify)?;
        for NamedWindowDefinition(_, window) in named_window {
            if let NamedWindowExpr::WindowSpec(window) = window {
                self.review_window(window)?;
            }
        }
        Ok(())
    }

    fn review_item(&mut self, item: &SelectItem) -> Reviewed {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ } => self.review_expr(expr),
            SelectItem::ExprWithAliases { .. } => Err(QueryError::unsupported("several aliases of one expression")),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options)
            | SelectItem::Wildcard(options) => self.review_wildcard(options),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(QueryError::unsupported("`.*` of an expression"))
            }
        }
    }

    fn review_wildcard(&mut self, options: &WildcardAdditionalOptions) -> Reviewed {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude: _,
            opt_except: _,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        refuse(opt_ilike.is_some(), "`*` with ILIKE")?;
        refuse(opt_rename.is_some(), "`*` with RENAME")?;
        refuse(opt_alias.is_some(), "`*` with an alias")?;
        self.count(1, 0)?;
        self.review_all(opt_replace.iter().flat_map(|replace| &replace.items).map(|item| &item.expr))
    }

    fn review_group_by(&mut self, group_by: &GroupByExpr) -> Reviewed {
        match group_by {
            GroupByExpr::All(modifiers) => refuse(!modifiers.is_empty(), "GROUP BY with a modifier"),
            GroupByExpr::Expressions(exprs, modifiers) => {
                refuse(!modifiers.is_empty(), "GROUP BY with a modifier")?;
                let sets = exprs.iter().fold(1_usize, |sets, expr| sets.saturating_mul(grouping_sets(expr)));
                if sets > self.limits.max_grouping_sets {
                    return Err(QueryError::limit(format!(
                        "a GROUP BY may have at most {} grouping sets",
                        self.limits.max_grouping_sets
                    )));
                }
                self.count(sets, 0)?;
                self.review_all(exprs)
            }
        }
    }

    pub(super) fn review_order(&mut self, order: &[OrderByExpr]) -> Reviewed {
        order.iter().try_for_each(|OrderByExpr { expr, options: _, with_fill }| {
            refuse(with_fill.is_some(), "WITH FILL")?;
            self.review_expr(expr)
        })
    }

    fn review_table_with_joins(&mut self, table: &TableWithJoins) -> Reviewed {
        self.node(|review| {
            review.review_relation(&table.relation)?;
            table.joins.iter().try_for_each(|join| review.review_join(join))
        })
    }

    fn review_join(&mut self, join: &Join) -> Reviewed {
        let Join { relation, global, join_operator } = join;
        refuse(*global, "GLOBAL JOIN")?;
        self.review_relation(relation)?;
        let constraint = match join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint) => constraint,
            _ => return Err(QueryError::unsupported("this kind of join")),
        };
        match constraint {
            JoinConstraint::On(condition) => self.review_expr(condition),
            JoinConstraint::Using(_) | JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn review_relation(&mut self, relation: &TableFactor) -> Reviewed {
        self.node(|review| review.review_relation_within(relation))
    }

    fn review_relation_within(&mut self, relation: &TableFactor) -> Reviewed {
        match relation {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() && !self.may_call(name) {
                    return Err(table_function(name));
                }
                refuse(!with_hints.is_empty() || !index_hints.is_empty(), "a table hint")?;
                refuse(version.is_some(), "a table version")?;
                refuse(*with_ordinality, "WITH ORDINALITY")?;
                refuse(!partitions.is_empty(), "PARTITION of a table")?;
                refuse(json_path.is_some(), "a JSON path")?;
                refuse(sample.is_some(), "TABLESAMPLE")?;
                alias.iter().try_for_each(review_alias)?;
                if args.is_some() {
                    // What its arguments may be is the call's matter.
                    self.called += 1;
                    return self.count(0, 1);
                }
                self.review_table(name)
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample } => {
                refuse(sample.is_some(), "TABLESAMPLE")?;
                alias.iter().try_for_each(review_alias)?;
                self.count(0, 1)?;
                self.review_query(subquery)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                alias.iter().try_for_each(review_alias)?;
                self.review_table_with_joins(table_with_joins)
            }
            TableFactor::TableFunction { .. } => Err(QueryError::unsupported("a table function")),
            TableFactor::Function { name, .. } => Err(table_function(name)),
            TableFactor::UNNEST { .. } => Err(QueryError::unsupported("UNNEST in FROM")),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
                Err(QueryError::unsupported("JSON_TABLE"))
            }
            TableFactor::XmlTable { .. } => Err(QueryError::unsupported("XMLTABLE")),
            TableFactor::Pivot { .. } => Err(QueryError::unsupported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(QueryError::unsupported("UNPIVOT")),
            TableFactor::MatchRecognize { .. } => Err(QueryError::unsupported("MATCH_RECOGNIZE")),
            TableFactor::SemanticView { .. } => Err(QueryError::unsupported("SEMANTIC_VIEW")),
        }
    }

    /// A table by name: a common table expression in sight, else a dataset.
    fn review_table(&mut self, name: &ObjectName) -> Reviewed {
        let parts = name.0.iter().map(table_part).collect::<Result<Vec<_>, _>>()?;
        let table = match parts.as_slice() {
            [table] => {
                if let Some(weight) = self.scopes.iter().rev().find_map(|scope| scope.get(table)).copied() {
                    return self.count(weight.nodes, weight.relations.saturating_add(1));
                }
                self.bare.extend(name.0.first().and_then(ObjectNamePart::as_ident).map(|ident| ident.span.start));
                TableName { catalog: None, schema: None, table: table.clone() }
            }
            [schema, table] => TableName { catalog: None, schema: Some(schema.clone()), table: table.clone() },
            [catalog, schema, table] => {
                TableName { catalog: Some(catalog.clone()), schema: Some(schema.clone()), table: table.clone() }
            }
            _ => return Err(QueryError::unknown_table(name)),
        };
        self.count(0, 1)?;
        self.tables.insert(table);
        Ok(())
    }
}

fn refuse(present: bool, what: &str) -> Reviewed {
    if present { Err(QueryError::unsupported(what)) } else { Ok(()) }
}

fn table_function(name: &ObjectName) -> QueryError {
    QueryError::unsupported(format!("table function `{}`", shortened(&name.to_string())))
}

fn review_alias(alias: &TableAlias) -> Reviewed {
    let TableAlias { explicit: _, name: _, columns, at } = alias;
    refuse(at.is_some(), "AT after a table")?;
    refuse(columns.iter().any(|column| column.data_type.is_some()), "a type in a table alias")
}

/// One part of a table's name. A text in single quotes would be a file's path.
pub(super) fn table_part(part: &ObjectNamePart) -> Result<String, QueryError> {
    match part {
        ObjectNamePart::Identifier(Ident { quote_style: Some('\''), .. }) => {
            Err(QueryError::unsupported("a file in place of a table"))
        }
        ObjectNamePart::Identifier(ident) => Ok(normalised(ident)),
        ObjectNamePart::Function(_) => Err(QueryError::unsupported("a function in place of a table")),
    }
}

/// Into how many grouping sets one item of a GROUP BY expands.
fn grouping_sets(expr: &Expr) -> usize {
    match expr {
        Expr::Cube(sets) => u32::try_from(sets.len()).ok().and_then(|n| 2_usize.checked_pow(n)).unwrap_or(usize::MAX),
        Expr::Rollup(sets) => sets.len() + 1,
        Expr::GroupingSets(sets) => sets.len(),
        _ => 1,
    }
}
