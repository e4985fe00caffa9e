//! What can go wrong inside the policy layer. Every one of these denies; none reaches a caller.

use thiserror::Error;

use super::residual::Untranslatable;

/// Why a decision could not be made. For the log alone.
#[derive(Debug, Error)]
pub(super) enum PolicyError {
    #[error("no policies are loaded for `{0}`")]
    Unknown(String),
    #[error("the attribute `{0}` has another type than principals.toml declares")]
    AttributeType(String),
    #[error("the policies {0:?} failed")]
    Failed(Vec<String>),
    #[error("the policy `{id}` left a residual that is no row filter: {source}")]
    Residual { id: String, source: Untranslatable },
    #[error("a name: {0}")]
    Name(Box<cedar_policy::ParseErrors>),
    #[error("a policy set: {0}")]
    PolicySet(Box<cedar_policy::PolicySetError>),
    #[error("a schema: {0}")]
    Schema(Box<cedar_policy::CedarSchemaError>),
    #[error("an attribute: {0}")]
    Attribute(Box<cedar_policy::EntityAttrEvaluationError>),
    #[error("entities: {0}")]
    Entities(Box<cedar_policy::entities_errors::EntitiesError>),
    #[error("partial entities: {0}")]
    PartialEntities(Box<cedar_policy::tpe_err::EntitiesError>),
    #[error("a partial entity: {0}")]
    PartialEntity(Box<cedar_policy::PartialEntityError>),
    #[error("a context: {0}")]
    Context(Box<cedar_policy::ContextCreationError>),
    #[error("a request: {0}")]
    Request(Box<cedar_policy::RequestValidationError>),
    #[error("a partial request: {0}")]
    PartialRequest(Box<cedar_policy::PartialRequestCreationError>),
    #[error("partial evaluation: {0}")]
    Tpe(Box<cedar_policy::tpe_err::TpeError>),
}

/// Cedar's errors are large and rare: boxed.
macro_rules! boxed {
    ($($from:path => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for PolicyError {
            fn from(error: $from) -> Self {
                Self::$variant(Box::new(error))
            }
        })+
    };
}

boxed! {
    cedar_policy::ParseErrors => Name,
    cedar_policy::PolicySetError => PolicySet,
    cedar_policy::CedarSchemaError => Schema,
    cedar_policy::EntityAttrEvaluationError => Attribute,
    cedar_policy::entities_errors::EntitiesError => Entities,
    cedar_policy::tpe_err::EntitiesError => PartialEntities,
    cedar_policy::PartialEntityError => PartialEntity,
    cedar_policy::ContextCreationError => Context,
    cedar_policy::RequestValidationError => Request,
    cedar_policy::PartialRequestCreationError => PartialRequest,
    cedar_policy::tpe_err::TpeError => Tpe,
}
