namespace Crosscore.Model.Programs;

/// <summary>
/// What a load or store asks of its order beyond coherence. Cores that keep more order anyway (x86-TSO, SC) pass over
/// it.
/// </summary>
[Flags]
public enum AccessOrder
{
    /// <summary>Nothing.</summary>
    Plain = 0,

    /// <summary>
    /// An acquire load that also waits for earlier release stores of its thread (LDAR): Arm ARM B2.3, RCsc.
    /// </summary>
    Acquire = 1,

    /// <summary>An acquire load that does not (LDAPR): RCpc.</summary>
    AcquirePc = 2,

    /// <summary>A release store (STLR).</summary>
    Release = 4,

    /// <summary>A load that sets the reservation of its CPU, or a store that needs it (LDXR, STXR).</summary>
    Exclusive = 8,

    /// <summary>
    /// One half of an indivisible instruction (CAS, SWP, LDADD): no store of any CPU comes between the load and the
    /// store.
    /// </summary>
    Atomic = 16,

    /// <summary>
    /// A load whose value the instruction discards (STADD, a result in the zero register): DMB LD does not wait
    /// for it.
    /// </summary>
    NoReturn = 32,

    /// <summary>
    /// The store of an instruction that is acquire and release (CASAL, SWPAL): everything later follows it.
    /// </summary>
    OrdersLater = 64,

    /// <summary>An access to where the last <see cref="MicroOpKind.Translate"/> of its thread leads.</summary>
    Translated = 128,
}

/// <summary>What a fence keeps in order. The shareability domain makes no difference: all CPUs are in one.</summary>
public enum FenceKind
{
    /// <summary>Everything before, before everything after: DMB SY, MFENCE, smp_mb.</summary>
    Full,

    /// <summary>Loads before everything: DMB LD.</summary>
    Load,

    /// <summary>Stores before stores: DMB ST.</summary>
    Store,

    /// <summary>As <see cref="Full"/>, and cache maintenance is complete: DSB SY.</summary>
    FullCompletion,

    /// <summary>As <see cref="Load"/>, and complete: DSB LD.</summary>
    LoadCompletion,

    /// <summary>Stores before everything, and complete: DSB ST.</summary>
    StoreCompletion,

    /// <summary>
    /// A context synchronization event: ISB, exception entry, exception return. It waits for what decided that it is
    /// executed and for completed barriers.
    /// </summary>
    Context,
}
