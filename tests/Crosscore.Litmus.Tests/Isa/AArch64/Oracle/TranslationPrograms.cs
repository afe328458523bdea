using static Crosscore.Litmus.Tests.Isa.AArch64.Oracle.TranslationStep;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// Generated programs about translation: known shapes with steps left out, put in and changed at random, and programs
/// that are entirely random.
/// </summary>
internal static class TranslationPrograms
{
    private static readonly TranslatedStep Dsb = new(Completion);

    // A page is unmapped, mapped, led elsewhere; the flag says that it is done.
    private static readonly TranslatedStep[] Unmap =
    [
        StoreOf(TranslationProgram.Nowhere),
        Dsb,
        new(Invalidate),
        Dsb,
        new(StoreFlag),
    ];
    private static readonly TranslatedStep[] Map = [StoreOf(0), Dsb, new(Invalidate), Dsb, new(StoreFlag)];
    private static readonly TranslatedStep[] MapAndLook = [StoreOf(0), Dsb, new(Invalidate), Dsb, new(LoadFlag)];
    private static readonly TranslatedStep[] Replace =
    [
        StoreOf(TranslationProgram.Nowhere),
        Dsb,
        new(Invalidate),
        Dsb,
        StoreOf(TranslationProgram.ToOther),
    ];
    private static readonly TranslatedStep[] Publish = [new(StoreFlag, Page: 1), new(StoreFlag, Ordered: true)];

    // What a thread does between seeing a flag, or an entry, and the access.
    private static readonly TranslatedStep[][] Orders =
    [
        [],
        [new(Branch)],
        [new(PickBranch)],
        [new(Branch), new(Context)],
        [new(PickBranch), new(Context)],
        [new(LoadBarrier)],
        [new(StoreBarrier)],
        [new(FullBarrier)],
        [Dsb],
        [new(LoadCompletion)],
        [new(StoreCompletion)],
        [Dsb, new(Context)],
        [new(LoadCompletion), new(Context)],
        [new(SwapFlag, Page: 1)],
        [new(Context)],
    ];

    /// <summary>The shapes without any change.</summary>
    public static IEnumerable<TranslationProgram> Shapes()
    {
        foreach (TranslatedStep[] order in Orders)
        {
            foreach (bool acquire in (bool[])[false, true])
            {
                foreach (Dependency on in (Dependency[])[Dependency.None, Dependency.Address, Dependency.PickedAddress])
                {
                    if (on != Dependency.None && order.Length > 0)
                    {
                        continue;
                    }

                    TranslatedStep flag = new(LoadFlag, Ordered: acquire);
                    TranslatedStep entry = new(LoadEntry, Ordered: acquire);
                    yield return TranslationProgram.Of(0, Unmap, [flag, .. order, new(LoadMemory, On: on)]);
                    yield return TranslationProgram.Of(0, Unmap, [flag, .. order, new(StoreMemory, On: on)]);
                    yield return TranslationProgram.Of(
                        TranslationProgram.Nowhere,
                        Map,
                        [flag, .. order, new(LoadMemory, On: on)]
                    );
                    yield return TranslationProgram.Of(
                        TranslationProgram.NotAccessed,
                        [StoreOf(0), new(StoreBarrier), new(StoreFlag)],
                        [flag, .. order, new(LoadMemory, On: on)]
                    );
                    yield return TranslationProgram.Of(
                        TranslationProgram.ReadOnly,
                        Map,
                        [flag, .. order, new(StoreMemory, On: on, Ordered: acquire)]
                    );
                    yield return TranslationProgram.Of(
                        0,
                        [StoreOf(TranslationProgram.Nowhere)],
                        [entry, .. order, new(Invalidate, On: on), Dsb, new(Context), new(LoadMemory)]
                    );
                    yield return TranslationProgram.Of(
                        0,
                        [StoreOf(TranslationProgram.Nowhere)],
                        [entry, .. order, new(InvalidateHere, On: on), Dsb, new(Context), new(LoadMemory)]
                    );
                    yield return TranslationProgram.Of(
                        TranslationProgram.Nowhere,
                        MapAndLook,
                        [new(StoreFlag, Ordered: acquire), .. order, new(StoreMemory, On: on, Ordered: acquire)]
                    );
                    yield return TranslationProgram.Of(
                        TranslationProgram.ReadOnly,
                        MapAndLook,
                        [new(StoreFlag, Ordered: acquire), .. order, new(StoreMemory)]
                    );

                    // The fault of the second thread, and what its handler sees.
                    yield return new TranslationProgram(
                        [Publish, [flag, .. order, new(LoadMemory, On: on)]],
                        [null, [new(LoadFlag, Page: 1)]],
                        [TranslationProgram.Nowhere, 0]
                    );
                    yield return new TranslationProgram(
                        [
                            [StoreOf(TranslationProgram.Nowhere), new(StoreBarrier), new(StoreFlag)],
                            [.. order, new(LoadMemory, On: on)],
                        ],
                        [null, [new(LoadFlag), new(StoreFlag, Page: 1)]],
                        [0, 0]
                    );
                }
            }
        }

        foreach ((int page, int place) in ((int, int)[])[(0, 0), (0, 1), (1, 0), (1, 1)])
        {
            yield return TranslationProgram.Of(0, Replace, [new(LoadMemory), new(LoadMemory, page, place)]);
            yield return TranslationProgram.Of(0, Replace, [new(LoadMemory, page, place), new(LoadMemory)]);
            yield return TranslationProgram.Of(
                0,
                Unmap,
                [new(LoadMemory, page, place), new(LoadMemory), new(LoadFlag)]
            );
            yield return TranslationProgram.Of(
                0,
                Unmap,
                [new(LoadFlag), new(LoadMemory, page, place, On: Dependency.Address), new(LoadMemory)]
            );
        }

        // An earlier translation of the same place is not waited for where the later access faults; an address does not
        // order a later invalidation.
        yield return TranslationProgram.Of(
            TranslationProgram.Nowhere,
            Map,
            [new(LoadFlag), new(LoadMemory, Page: 1, On: Dependency.Address), new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.Nowhere)],
            [new(LoadEntry), new(LoadFlag, On: Dependency.Address), new(Invalidate), Dsb, new(Context), new(LoadMemory)]
        );

        // An access before the invalidation by the same CPU, and a translation that is stored again.
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.Nowhere), Dsb, new(LoadMemory), new(Invalidate), Dsb, new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [new(LoadEntry), new(LoadMemory), StoreOf(TranslationProgram.ToOther)],
            [StoreOf(TranslationProgram.ToOther), new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.ToOther), new(LoadBarrier), new(LoadMemory), new(StoreFlag)],
            [new(LoadFlag), Dsb, new(Context), new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [new(LoadMemory), new(StoreFlag)],
            [new(LoadFlag), new(FullBarrier), StoreOf(TranslationProgram.ToOther)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.ToOther)],
            [new(LoadMemory), new(Context), new(LoadEntry)]
        );
        yield return TranslationProgram.Of(
            0,
            [new(StoreFlag), new(FullBarrier), StoreOf(TranslationProgram.ToOther)],
            [new(LoadMemory), new(Context), new(LoadFlag)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.Nowhere), new(LoadMemory), Dsb, new(Invalidate), Dsb, new(StoreFlag)],
            [new(LoadFlag), new(LoadBarrier), new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.Nowhere), Dsb, new(Invalidate), new(StoreFlag)],
            [new(LoadFlag), new(Branch), new(Context), new(LoadMemory)]
        );
        yield return TranslationProgram.Of(
            0,
            [StoreOf(TranslationProgram.Nowhere), Dsb, new(InvalidateHere), Dsb, new(StoreFlag)],
            [new(LoadFlag), new(Branch), new(Context), new(LoadMemory)]
        );

        // The moment at which an invalidation is complete is another than the one from which it hides: between them an
        // entry and a flag are stored.
        yield return TranslationProgram.Of(
            0,
            [
                StoreOf(TranslationProgram.ToOther),
                Dsb,
                new(Invalidate),
                StoreOf(TranslationProgram.Nowhere),
                new(StoreBarrier),
                new(StoreFlag),
                Dsb,
                new(StoreFlag, Page: 1),
            ],
            [
                new(LoadFlag),
                new(LoadMemory, On: Dependency.Address),
                new(LoadFlag, Page: 1),
                new(LoadMemory, On: Dependency.Address),
            ]
        );
    }

    /// <summary>A program by chance.</summary>
    public static TranslationProgram Random(Random random)
    {
        TranslationProgram program;
        do
        {
            program = random.Next(3) == 0 ? Anything(random) : Changed(random);
        } while (CandidatesOf(program) > MostCandidates || PlacesOf(program) > MostPlaces);
        return program;
    }

    private static readonly TranslationProgram[] Known = [.. Shapes()];

    private static TranslationProgram Changed(Random random)
    {
        TranslationProgram shape = Known[random.Next(Known.Length)];
        int[] initial =
        [
            random.Next(5) == 0 ? random.Next(TranslationProgram.Entries.Length) : shape.Initial[0],
            random.Next(3) == 0 ? random.Next(TranslationProgram.Entries.Length) : shape.Initial[1],
        ];
        var threads = new List<IReadOnlyList<TranslatedStep>>();
        foreach (IReadOnlyList<TranslatedStep> steps in shape.Threads)
        {
            TranslatedStep[] changed =
            [
                .. steps
                    .Where(_ => random.Next(9) != 0)
                    .SelectMany(step =>
                        random.Next(9) == 0 ? (TranslatedStep[])[step, Any(random)]
                        : random.Next(10) == 0 ? [Any(random)]
                        : [step]
                    ),
            ];
            threads.Add(changed.Length == 0 ? [Any(random)] : changed);
        }

        if (random.Next(12) == 0)
        {
            threads.Add([Any(random), Any(random)]);
        }

        return new TranslationProgram(
            threads,
            [
                .. threads.Select(
                    (_, thread) =>
                        thread < shape.Handlers.Count && random.Next(4) != 0 ? shape.Handlers[thread] : Handler(random)
                ),
            ],
            initial
        );
    }

    private static TranslationProgram Anything(Random random)
    {
        int count =
            random.Next(6) == 0 ? 3
            : random.Next(5) == 0 ? 1
            : 2;
        IReadOnlyList<TranslatedStep>[] threads =
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ =>
                    (TranslatedStep[])
                        [.. Enumerable.Range(0, random.Next(2, count == 3 ? 4 : 6)).Select(_ => Any(random))]
                ),
        ];
        int initial = random.Next(3) == 0 ? random.Next(TranslationProgram.Entries.Length) : 0;
        return new TranslationProgram(
            threads,
            [.. threads.Select(_ => Handler(random))],
            [initial, random.Next(TranslationProgram.Entries.Length)]
        );
    }

    private static TranslatedStep[]? Handler(Random random)
    {
        if (random.Next(3) != 0)
        {
            return null;
        }

        var steps = new List<TranslatedStep>();
        while (steps.Count < 1 + random.Next(2))
        {
            TranslatedStep step = Any(random);
            steps.AddRange(step.IsTranslated ? [] : [step]);
        }

        return [.. steps];
    }

    private static TranslatedStep Any(Random random)
    {
        TranslationStep kind =
            random.Next(10) < 6
                ? (TranslationStep)random.Next((int)Invalidate + 1)
                : (TranslationStep)random.Next((int)PickBranch + 1);
        kind = random.Next(4) == 0 ? LoadMemory : kind;
        bool ordered =
            kind is StoreEntry or LoadEntry or StoreFlag or LoadFlag or StoreMemory or LoadMemory
            && random.Next(6) == 0;
        return new TranslatedStep(
            kind,
            random.Next(4) == 0 ? 1 : 0,
            random.Next(3) == 0 ? 1 : 0,
            random.Next(TranslationProgram.Entries.Length),
            (Dependency)(random.Next(2) * random.Next(4)),
            ordered
        );
    }

    private static TranslatedStep StoreOf(int entry) => new(StoreEntry, Entry: entry);

    // About how many executions the oracle has to try.
    private const double MostCandidates = 3_000;

    // About how many places the machine's list of writes needs.
    private const int MostPlaces = 6;

    private static int PlacesOf(TranslationProgram program) =>
        Enumerable
            .Range(0, program.Threads.Count)
            .SelectMany(program.StepsOf)
            .Sum(step => step.IsWrite || step.IsInvalidation ? 1 : 0)
        + Enumerable
            .Range(0, program.Threads.Count)
            .Sum(thread =>
                program.StepsOf(thread).Any(step => step.IsInvalidation)
                    ? program.StepsOf(thread).Count(step => step.Kind == Completion) / 2
                    : 0
            );

    private static double CandidatesOf(TranslationProgram program)
    {
        TranslatedStep[] all = [.. Enumerable.Range(0, program.Threads.Count).SelectMany(program.StepsOf)];
        double Writes(Func<TranslatedStep, bool> where) => all.Count(step => step.IsWrite && where(step));
        double orders = 1;
        double sources = 1;
        foreach (int page in (int[])[0, 1])
        {
            double entries = Writes(step => step.Kind == StoreEntry && step.Page == page);
            double flags = Writes(step => step.IsFlag && step.Page == page);
            orders *= Factorial(entries) * Factorial(flags);
            sources *=
                Math.Pow(
                    entries + 1,
                    all.Count(step => step.Page == page && (step.Kind == LoadEntry || step.IsTranslated))
                ) * Math.Pow(flags + 1, all.Count(step => step.IsFlag && step.IsRead && step.Page == page));
        }

        double stores = Writes(step => step.IsTranslated);
        return orders
            * sources
            * Factorial(stores / 2)
            * Math.Pow((stores / 2) + 1, all.Count(step => step.Kind == LoadMemory))
            * Math.Pow(1.5, all.Count(step => step.IsInvalidation));
    }

    private static double Factorial(double count) => count < 2 ? 1 : count * Factorial(count - 1);
}
