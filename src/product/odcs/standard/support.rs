//! Support channels and the price.

use super::super::shape::{Object, Shape, may, must};
use super::common::{CUSTOM_PROPERTIES, ID};

pub(super) static CHANNEL: Object = Object::new(
    "an item of `support`",
    &[
        may("id", ID),
        must("channel", Shape::Text),
        may("url", Shape::Text),
        may("description", Shape::Text),
        may("tool", Shape::Text),
        may("scope", Shape::Text),
        may("invitationUrl", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);

pub(super) static PRICE: Object = Object::new(
    "a price",
    &[
        may("id", ID),
        may("priceAmount", Shape::Number),
        may("priceCurrency", Shape::Text),
        may("priceUnit", Shape::Text),
    ],
);
