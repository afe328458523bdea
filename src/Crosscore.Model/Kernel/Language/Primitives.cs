namespace Crosscore.Model.Kernel.Language;

/// <summary>What the machine does for a design: the verbs that no design can write in its own language.</summary>
internal enum Primitive
{
    ReadOnce,
    WriteOnce,
    LoadAcquire,
    StoreRelease,
    Barrier,
    SyncCore,
    Lock,
    Unlock,
    AtomicIncrement,
    AtomicDecrement,
    AtomicOr,
    AtomicAndNot,
    CompareExchange,
    IpiAndWait,
    IpiSend,
    IpiWait,
    IrqDisable,
    IrqEnable,
    PreemptDisable,
    PreemptEnable,
    Schedule,
    Sleep,
    RestartSequence,
    DemandFences,
    SwitchTo,
}

/// <summary>What stands in one place between the parentheses.</summary>
internal enum ArgumentKind
{
    /// <summary>A variable in memory, of any type but lock.</summary>
    Place,

    /// <summary>A variable in memory that is an int.</summary>
    IntPlace,

    /// <summary>A variable in memory that is a set of CPUs or an int.</summary>
    MaskPlace,

    /// <summary>A variable in memory that is a lock.</summary>
    LockPlace,

    /// <summary>A value of the type of the place that comes first.</summary>
    PlaceValue,

    /// <summary>A set of CPUs.</summary>
    Cpus,

    /// <summary>The name of an interrupt routine.</summary>
    Handler,

    /// <summary>The second parameter of the context switch.</summary>
    NextTask,
}

/// <summary>How a primitive is called.</summary>
/// <param name="Primitive">Which.</param>
/// <param name="ReturnsPlaceType">Whether it gives a value of the type of its place; otherwise it gives none.</param>
/// <param name="Arguments">What stands between the parentheses.</param>
internal sealed record PrimitiveSignature(
    Primitive Primitive,
    bool ReturnsPlaceType,
    params IReadOnlyList<ArgumentKind> Arguments
);

internal static class Primitives
{
    public static readonly IReadOnlyDictionary<string, PrimitiveSignature> All = new Dictionary<
        string,
        PrimitiveSignature
    >
    {
        ["READ_ONCE"] = new(Primitive.ReadOnce, true, ArgumentKind.Place),
        ["WRITE_ONCE"] = new(Primitive.WriteOnce, false, ArgumentKind.Place, ArgumentKind.PlaceValue),
        ["smp_load_acquire"] = new(Primitive.LoadAcquire, true, ArgumentKind.Place),
        ["smp_store_release"] = new(Primitive.StoreRelease, false, ArgumentKind.Place, ArgumentKind.PlaceValue),
        ["smp_mb"] = new(Primitive.Barrier, false),
        ["sync_core"] = new(Primitive.SyncCore, false),
        ["lock"] = new(Primitive.Lock, false, ArgumentKind.LockPlace),
        ["unlock"] = new(Primitive.Unlock, false, ArgumentKind.LockPlace),
        ["atomic_inc"] = new(Primitive.AtomicIncrement, false, ArgumentKind.IntPlace),
        ["atomic_dec"] = new(Primitive.AtomicDecrement, false, ArgumentKind.IntPlace),
        ["atomic_or"] = new(Primitive.AtomicOr, false, ArgumentKind.MaskPlace, ArgumentKind.PlaceValue),
        ["atomic_andnot"] = new(Primitive.AtomicAndNot, false, ArgumentKind.MaskPlace, ArgumentKind.PlaceValue),
        ["cmpxchg"] = new(
            Primitive.CompareExchange,
            true,
            ArgumentKind.Place,
            ArgumentKind.PlaceValue,
            ArgumentKind.PlaceValue
        ),
        ["ipi_and_wait"] = new(Primitive.IpiAndWait, false, ArgumentKind.Cpus, ArgumentKind.Handler),
        ["ipi_send"] = new(Primitive.IpiSend, false, ArgumentKind.Cpus, ArgumentKind.Handler),
        ["ipi_wait"] = new(Primitive.IpiWait, false),
        ["local_irq_disable"] = new(Primitive.IrqDisable, false),
        ["local_irq_enable"] = new(Primitive.IrqEnable, false),
        ["preempt_disable"] = new(Primitive.PreemptDisable, false),
        ["preempt_enable"] = new(Primitive.PreemptEnable, false),
        ["schedule"] = new(Primitive.Schedule, false),
        ["sleep"] = new(Primitive.Sleep, false),
        ["rseq_restart"] = new(Primitive.RestartSequence, false),
        ["demand_fences"] = new(Primitive.DemandFences, false),
        ["switch_to"] = new(Primitive.SwitchTo, false, ArgumentKind.NextTask),
    };
}
