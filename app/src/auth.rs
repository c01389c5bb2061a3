//! Who somebody is: passwords and tokens. Knows neither SQL nor HTTP.

mod password;
mod secret_file;
mod token;

pub use password::{HashError, Passwords};
pub use secret_file::{SecretFileError, load_or_make};
pub use token::{TokenProblem, Tokens, UserId};
