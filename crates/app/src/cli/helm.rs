//! Arguments of `jamul values`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `jamul values`.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ValuesArgs {
    /// Values file written for ingress-nginx's chart
    #[arg(long, value_name = "FILE")]
    pub(crate) ingress_nginx: Option<PathBuf>,
    /// Values file written for cert-manager's chart
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_manager: Option<PathBuf>,
}
