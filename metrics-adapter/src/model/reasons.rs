/// Reasons from a closed list, each with the label that metrics have for it.
macro_rules! reasons {
    ($(#[$about:meta])+ $name:ident: $($(#[$doc:meta])+ $variant:ident $label:literal)+) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])+ $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As a metric's label.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

pub(super) use reasons;
