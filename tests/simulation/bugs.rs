//! Planted bugs, one at a time: each is switched on in the model's watch, transfer or shell, never in the engine.

use super::script::Bias;

/// A fault of the program that the checks must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    // The watch.
    OverflowUnseen,
    OverflowNotRewatched,
    LostWithoutLook,
    BarrierEarly,
    BarrierBeforePlaced,
    ReadyBeforePlaced,
    RootReplacedUnseen,
    ParentNotMarked,
    GoneDropped,
    AttributesDropped,
    MovedInNotEntered,
    NewDirectoryNotListed,
    NewDirectoryTrusted,
    ListedBeforeWatched,
    NeverPolled,
    // The transfer.
    NoWatchdog,
    RootNotGuarded,
    UnknownTakenAsMissing,
    UnreadableTakenAsEmpty,
    ContentTrusted,
    SubtreeTrusted,
    FilterIgnoredInDeletes,
    DeletedBeforeCounted,
    NoFence,
    EmptyNotSeen,
    SpentForgotten,
    AnyPlanApproved,
    // The shell.
    PartialTakenAsDone,
    RetryTakenAsDone,
    HeldTakenAsDone,
    EventDuringRunAbsorbed,
    MarkClearedAtEnd,
    OrphanGoesOn,
    OrphanIsHeard,
    NoticesCut,
    LostSwallowsMarks,
    // The survey and the ledger.
    SurveyBarrierEarly,
    RowsWithoutMarks,
    YoungTrusted,
    ListingDropped,
    ToldIgnored,
    CtimeIgnored,
    UnreadableRowKept,
    OwedPassForgotten,
    ForgottenRowsKept,
    LedgerTorn,
    ParkedRowsIgnored,
    DisownedLate,
    // Reloads.
    RescopeForgotten,
    FillsDelete,
    RetuneReleases,
    LateExitBelieved,
    // Pauses.
    PauseForgotten,
    PauseEndless,
}

impl Bug {
    pub const ALL: &[Bug] = &[
        Bug::OverflowUnseen,
        Bug::OverflowNotRewatched,
        Bug::LostWithoutLook,
        Bug::BarrierEarly,
        Bug::BarrierBeforePlaced,
        Bug::ReadyBeforePlaced,
        Bug::RootReplacedUnseen,
        Bug::ParentNotMarked,
        Bug::GoneDropped,
        Bug::AttributesDropped,
        Bug::MovedInNotEntered,
        Bug::NewDirectoryNotListed,
        Bug::NewDirectoryTrusted,
        Bug::ListedBeforeWatched,
        Bug::NeverPolled,
        Bug::NoWatchdog,
        Bug::RootNotGuarded,
        Bug::UnknownTakenAsMissing,
        Bug::UnreadableTakenAsEmpty,
        Bug::ContentTrusted,
        Bug::SubtreeTrusted,
        Bug::FilterIgnoredInDeletes,
        Bug::DeletedBeforeCounted,
        Bug::EmptyNotSeen,
        Bug::SpentForgotten,
        Bug::AnyPlanApproved,
        Bug::PartialTakenAsDone,
        Bug::RetryTakenAsDone,
        Bug::HeldTakenAsDone,
        Bug::EventDuringRunAbsorbed,
        Bug::MarkClearedAtEnd,
        Bug::OrphanGoesOn,
        Bug::OrphanIsHeard,
        Bug::NoticesCut,
        Bug::LostSwallowsMarks,
        Bug::RowsWithoutMarks,
        Bug::ListingDropped,
        Bug::ToldIgnored,
        Bug::CtimeIgnored,
        Bug::LedgerTorn,
        Bug::ParkedRowsIgnored,
        Bug::DisownedLate,
        Bug::NoFence,
        Bug::SurveyBarrierEarly,
        Bug::YoungTrusted,
        Bug::UnreadableRowKept,
        Bug::OwedPassForgotten,
        Bug::ForgottenRowsKept,
        Bug::RescopeForgotten,
        Bug::FillsDelete,
        Bug::RetuneReleases,
        Bug::LateExitBelieved,
        Bug::PauseForgotten,
        Bug::PauseEndless,
    ];

    /// The operations and faults under which it shows soon, where it hardly does under all of them.
    pub fn bias(self) -> Option<Bias> {
        let bias = |faults, ops, gap, delay| {
            Some(Bias {
                faults,
                ops,
                gap,
                delay,
            })
        };
        match self {
            Bug::RootNotGuarded => bias(&[2, 3, 16], &[0, 8, 13], 60_000, 3_000),
            Bug::FilterIgnoredInDeletes => bias(&[12, 16], &[8, 13, 10], 60_000, 300),
            Bug::OverflowNotRewatched => bias(&[0], &[0, 7, 8], 30_000, 300),
            Bug::AnyPlanApproved => bias(&[16, 18], &[8, 10, 13], 60_000, 300),
            Bug::BarrierBeforePlaced => bias(&[19], &[8, 0], 20_000, 3_000),
            Bug::NewDirectoryTrusted => bias(&[16], &[8, 10, 10, 13, 0], 400_000, 300),
            Bug::ListedBeforeWatched => bias(&[16], &[8, 8, 0, 7], 30_000, 100_000),
            Bug::UnknownTakenAsMissing => bias(&[1], &[0, 5, 8, 13], 30_000, 300),
            Bug::PartialTakenAsDone | Bug::UnreadableTakenAsEmpty => {
                bias(&[1, 16], &[0, 8, 13], 30_000, 300)
            }
            Bug::ToldIgnored => bias(&[13], &[0, 4, 8], 2_000_000, 3_000),
            Bug::NeverPolled => bias(&[5], &[0, 5, 7, 8], 400_000, 300),
            Bug::RescopeForgotten => bias(&[22], &[0, 7, 8, 8], 60_000, 300),
            Bug::FillsDelete => bias(&[22, 22, 12], &[7, 8, 13], 60_000, 300),
            Bug::RetuneReleases => bias(&[21, 16], &[8, 10, 13], 60_000, 300),
            Bug::LateExitBelieved => bias(&[23, 22], &[0, 8], 20_000, 300),
            // Pauses are in every tenth history.
            Bug::PauseForgotten | Bug::PauseEndless => bias(&[13], &[0, 8, 13], 400_000, 300),
            Bug::CtimeIgnored => bias(&[13], &[0, 3], 3_000_000, 300),
            _ => None,
        }
    }
}
