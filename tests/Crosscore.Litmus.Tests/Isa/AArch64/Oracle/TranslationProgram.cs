namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>What a step of a <see cref="TranslationProgram"/> is.</summary>
internal enum TranslationStep
{
#pragma warning disable CS1591 // the names say it
    StoreEntry,
    LoadEntry,
    StoreMemory,
    LoadMemory,
    StoreFlag,
    LoadFlag,
    SwapFlag,
    Invalidate,
    InvalidateHere,
    InvalidateAll,
    FullBarrier,
    LoadBarrier,
    StoreBarrier,
    Completion,
    LoadCompletion,
    StoreCompletion,
    Context,
    Branch,
    PickBranch,
#pragma warning restore CS1591
}

/// <summary>How a step depends on the last load before it.</summary>
internal enum Dependency
{
    None,

    /// <summary>Its address is computed from what was loaded.</summary>
    Address,

    /// <summary>Its address is selected by what was loaded.</summary>
    PickedAddress,

    /// <summary>What it stores is computed from what was loaded.</summary>
    Data,
}

/// <summary>One step.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Page">The page that it accesses, whose entry it accesses, or that it invalidates: 0 for x, 1 for z; of
/// flags which of the two.</param>
/// <param name="Place">Of an access of memory, the element: 0 or 1.</param>
/// <param name="Entry">Of a store of an entry, the number of one of <see cref="TranslationProgram.Entries"/>.</param>
/// <param name="On">How it depends on the last load.</param>
/// <param name="Ordered">Whether it is a load-acquire or a store-release.</param>
internal readonly record struct TranslatedStep(
    TranslationStep Kind,
    int Page = 0,
    int Place = 0,
    int Entry = 0,
    Dependency On = Dependency.None,
    bool Ordered = false
)
{
    public bool IsExplicit => Kind <= TranslationStep.SwapFlag;

    /// <summary>Whether it goes through an entry that can change.</summary>
    public bool IsTranslated => Kind is TranslationStep.StoreMemory or TranslationStep.LoadMemory;

    public bool IsFlag => Kind is TranslationStep.StoreFlag or TranslationStep.LoadFlag or TranslationStep.SwapFlag;

    public bool IsWrite =>
        Kind
            is TranslationStep.StoreEntry
                or TranslationStep.StoreMemory
                or TranslationStep.StoreFlag
                or TranslationStep.SwapFlag;

    public bool IsRead =>
        Kind
            is TranslationStep.LoadEntry
                or TranslationStep.LoadMemory
                or TranslationStep.LoadFlag
                or TranslationStep.SwapFlag;

    public bool IsInvalidation =>
        Kind is TranslationStep.Invalidate or TranslationStep.InvalidateHere or TranslationStep.InvalidateAll;
}

/// <summary>
/// Threads without loops that look at two pages of two elements each through their entries, at the entries and at two
/// flags. A faulting access ends its thread, or leads to its handler, which accesses only what cannot fault. The values
/// of memory name the step that stored them.
/// </summary>
/// <param name="Threads">The steps of each.</param>
/// <param name="Handlers">The steps of the handler of each, numbered after those of the thread; <see langword="null"/>
/// for none.</param>
/// <param name="Initial">The entries of the two pages at the start.</param>
internal sealed record TranslationProgram(
    IReadOnlyList<IReadOnlyList<TranslatedStep>> Threads,
    IReadOnlyList<IReadOnlyList<TranslatedStep>?> Handlers,
    int[] Initial
)
{
    /// <summary>The entries: to x, to nowhere, to y, to x but not accessed yet, to x but not to be written.</summary>
    public static readonly string[] Entries =
    [
        "(oa:PA(x))",
        "(oa:PA(x), valid:0)",
        "(oa:PA(y))",
        "(oa:PA(x), af:0)",
        "(oa:PA(x), db:0)",
    ];

    public const int Nowhere = 1;

    public const int ToOther = 2;

    public const int NotAccessed = 3;

    public const int ReadOnly = 4;

    /// <summary>A program of threads without handlers whose page z is x's.</summary>
    public static TranslationProgram Of(int initial, params TranslatedStep[][] threads) =>
        new(threads, [.. threads.Select(_ => (IReadOnlyList<TranslatedStep>?)null)], [initial, 0]);

    /// <summary>All steps of a thread in the order of their numbers, its handler's last.</summary>
    public IReadOnlyList<TranslatedStep> StepsOf(int thread) => [.. Threads[thread], .. Handlers[thread] ?? []];

    /// <summary>
    /// The load that a step's dependency is on: the last one before it in the same column; -1 for none.
    /// </summary>
    public int LoadBefore(int thread, int step)
    {
        IReadOnlyList<TranslatedStep> steps = StepsOf(thread);
        int first = step < Threads[thread].Count ? 0 : Threads[thread].Count;
        for (step--; step >= first; step--)
        {
            if (steps[step].IsRead)
            {
                return step;
            }
        }

        return -1;
    }

    /// <summary>What a step stores in memory or a flag.</summary>
    public static int ValueOf(int thread, int step) => (20 * (thread + 1)) + step;
}
