namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The rules about translation by name, as the machine-readable model that Arm publishes has them (aarch64.cat and what
/// it includes, without ETS2 and without hardware that writes entries), and below them misreadings, which are no rules.
/// A rule can be left out and a misreading added, to see which programs hang on it.
/// </summary>
[Flags]
internal enum TranslationRules : ulong
{
    None = 0,

    /// <summary>dob: addr, into the translation.</summary>
    AddressBeforeTranslation = 1UL << 0,

    /// <summary>dob: ctrl, into TLBI.</summary>
    ControlIntoInvalidation = 1UL << 1,

    /// <summary>pob: pick-ctrl-dep, into TLBI.</summary>
    PickIntoInvalidation = 1UL << 2,

    /// <summary>dob: addr, into TLBI.</summary>
    AddressIntoInvalidation = 1UL << 3,

    /// <summary>pob: pick-addr-dep, into TLBI.</summary>
    PickedAddressIntoInvalidation = 1UL << 4,

    /// <summary>bob: W; dmb.st; MMU-FAULT.</summary>
    StoreBarrierIntoFault = 1UL << 5,

    /// <summary>bob: R; dmb.ld; MMU-FAULT.</summary>
    LoadBarrierIntoFault = 1UL << 6,

    /// <summary>bob: M; dmb.full; MMU-FAULT.</summary>
    FullBarrierIntoFault = 1UL << 7,

    /// <summary>bob: A; po; MMU-FAULT.</summary>
    AcquireIntoFault = 1UL << 8,

    /// <summary>bob: the store of an atomic that is acquire and release; po; MMU-FAULT.</summary>
    SwapIntoFault = 1UL << 9,

    /// <summary>IFB-ob: R; pick-addr-dep; tr-ib; the entry of the exception; po.</summary>
    PickedAddressPastFault = 1UL << 10,

    /// <summary>IFB-ob: R-TTD; tr-ib; the entry of the exception; po.</summary>
    TranslationPastFault = 1UL << 11,

    /// <summary>IFB: the entry of the exception is a context synchronization.</summary>
    FaultSynchronizes = 1UL << 12,

    /// <summary>dob: R-TTD; tr-ib; M; po; W.</summary>
    TranslationBeforeStore = 1UL << 13,

    /// <summary>IFB-ob: R-TTD; tr-ib; M; po; ISB; po.</summary>
    TranslationPastContext = 1UL << 14,

    /// <summary>IFB-ob: pick-ctrl-dep; IFB; po.</summary>
    PickPastContext = 1UL << 15,

    /// <summary>IFB-ob: ctrl; IFB; po.</summary>
    ControlPastContext = 1UL << 16,

    /// <summary>IFB-ob: DSB-ob; IFB; po.</summary>
    CompletionPastContext = 1UL << 17,

    /// <summary>TLBuncacheable-ca.</summary>
    UncacheableBeforeNewer = 1UL << 18,

    /// <summary>TTD-obs: rf; R-TTD.</summary>
    WriteBeforeTranslation = 1UL << 19,

    /// <summary>TLBI-ca.</summary>
    InvalidationHides = 1UL << 20,

    /// <summary>TLBI-ob: tr-ib^-1; TTD-read-ordered-before, external.</summary>
    AccessBeforeCompletion = 1UL << 21,

    /// <summary>
    /// TLBI-ob: R-TTD; tr-ib; same-low-order-bits, po; tr-ib^-1; R-TTD; TTD-read-ordered-before, external.
    /// </summary>
    EarlierTranslationBeforeCompletion = 1UL << 22,

    /// <summary>DSB-ob of the effects of TLBI.</summary>
    Completion = 1UL << 23,

    All = (1UL << 24) - 1,

    /// <summary>Every earlier access of the CPU comes before a fault.</summary>
    FaultFollowsAccesses = 1UL << 32,

    /// <summary>What a branch depends on comes before a fault behind it.</summary>
    FaultFollowsControl = 1UL << 33,

    /// <summary>A store-release that faults is a release.</summary>
    FaultReleases = 1UL << 34,

    /// <summary>An invalidation waits for earlier translations of the same page at any place in it.</summary>
    EarlierByPage = 1UL << 35,

    /// <summary>And where the later access faults.</summary>
    EarlierWithFault = 1UL << 36,

    /// <summary>An acquire load comes before later translations.</summary>
    AcquireBeforeTranslation = 1UL << 37,

    /// <summary>DSB comes before later translations (FEAT_ETS2 and later).</summary>
    CompletionBeforeTranslation = 1UL << 38,

    /// <summary>A TLBI waits for the accesses of the CPU that executes it.</summary>
    CompletionOfOwnAccesses = 1UL << 40,

    /// <summary>What a fault depended on by its address, but not what its handler does, comes before.</summary>
    PickedAddressBeforeTranslation = 1UL << 41,

    /// <summary>An acquire load comes before a later TLBI.</summary>
    AcquireBeforeInvalidation = 1UL << 42,

    /// <summary>
    /// An access whose address depended on a load puts that before a later TLBI, as before a later store.
    /// </summary>
    AddressOfEarlierIntoInvalidation = 1UL << 43,

    /// <summary>An invalidation of one CPU's TLB is one of all.</summary>
    Broadcast = 1UL << 44,
}
