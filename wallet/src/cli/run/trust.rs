//! `trust`: whom the wallet trusts, and going on after a log has shown two truths.

use farthing_proto::v1;

use super::Session;
use crate::cli::{args::TrustCommand, backend::Asks, exit::Exit, problem::Problem, show};

/// Shows whom the wallet trusts; or goes on.
pub(super) async fn trust(arguments: &TrustCommand, session: &Session<'_>) -> Result<Exit, Problem> {
    if arguments.go_on {
        let gone_on =
            session.with_wallet("looking", Asks::NobodyEver, async |wallet| wallet.go_on(v1::GoOnRequest {}).await);
        return session.show(&show::gone_on(&gone_on.await?));
    }
    let standing =
        session.with_wallet("looking", Asks::NobodyEver, async |wallet| wallet.get_trust(v1::GetTrustRequest {}).await);
    session.show(&show::trust(&standing.await?))
}
