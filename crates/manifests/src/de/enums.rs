//! Enums are single words: the resource model has none with content, since a structural schema
//! could not describe them.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error as _, VariantAccess, Visitor};

use super::Error;

pub(super) struct Word<'a>(pub(super) &'a str);

impl Word<'_> {
    fn without_content<T>(&self) -> Result<T, Error> {
        Err(Error::custom(format!(
            "`{}` cannot stand for a value with content",
            self.0
        )))
    }
}

impl<'a> EnumAccess<'a> for Word<'a> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((
            seed.deserialize(BorrowedStrDeserializer::<Error>::new(self.0))?,
            self,
        ))
    }
}

impl<'a> VariantAccess<'a> for Word<'a> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, _: T) -> Result<T::Value, Error> {
        self.without_content()
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.without_content()
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.without_content()
    }
}
