using System.Diagnostics;
using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cores.StoreBuffers;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>Explores every execution of a program on a kind of core.</summary>
internal static class Explorer
{
    /// <summary>Finds all final states of a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="core">The kind of cores that it runs on.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="progress">Receives the progress from time to time.</param>
    /// <param name="cancellation">Ends the exploration early; the result says so.</param>
    /// <returns>The final states, and what was not explored.</returns>
    /// <exception cref="ModelException">The program does something that has no meaning here.</exception>
    public static Exploration Explore(
        ModelProgram program,
        CoreKind core = CoreKind.X86Tso,
        ExplorationOptions? options = null,
        IProgress<ExplorationProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(program);
        options ??= new ExplorationOptions();
        Validate(program, core, options);
        var map = new CellMap(program, mayCut: !CoreRules.Of(core).IsWeaklyOrdered);
        StaticAnalysis[] analyses = [.. program.Threads.Select((_, id) => Analyze(program, map, id))];
        var attempt = new Attempt(program, map, analyses, Stopwatch.GetTimestamp(), progress, cancellation);

        // A program that computes may meet values that it does not name. When there is no room for one more, everything
        // starts again with wider fields.
        bool computes = program.AllOps.Any(op => op.Kind == MicroOpKind.Compute) || map.HasByteCells;
        for (int spareBits = computes ? 1 : 0; ; spareBits += 2)
        {
            try
            {
                return core switch
                {
                    CoreKind.X86Tso => attempt.Run(
                        new BufferedConfiguration<TotalStoreOrder>(
                            attempt.Compile(options, spareBits, default),
                            options,
                            compiled => StoreBuffers.OfEachCpu(compiled, options.BufferBound)
                        )
                    ),
                    CoreKind.Sc => attempt.Run(
                        new BufferedConfiguration<SequentialConsistency>(
                            attempt.Compile(options, spareBits, default),
                            options,
                            StoreBuffers.None
                        )
                    ),
                    CoreKind.AArch64 or CoreKind.RiscVLike => ExploreViews(attempt, ref options, spareBits),
                    _ => throw new ArgumentOutOfRangeException(nameof(core), core, "No such kind of core."),
                };
            }
            catch (ValuesExceededException)
            {
                // The loop continues.
            }
        }
    }

    private static StaticAnalysis Analyze(ModelProgram program, CellMap map, int thread) =>
        new(
            program.Threads[thread],
            map,
            program.Observations.Where(observed => observed.Thread == thread).Select(observed => observed.Register),
            thread
        );

    private static void Validate(ModelProgram program, CoreKind core, ExplorationOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BufferBound, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxStates, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.PreemptionBound ?? 0, nameof(options));
        if ((program.System?.Cpus ?? 1) > 30)
        {
            throw new ModelException($"The program has {program.System!.Cpus} CPUs; the model takes 1 to 30.");
        }

        if (program.Threads.Count is 0 or > 30)
        {
            throw new ModelException($"The program has {program.Threads.Count} threads; the model takes 1 to 30.");
        }

        if (!CoreRules.Of(core).IsWeaklyOrdered && program.AllOps.Any(op => op.Kind == MicroOpKind.TryReservation))
        {
            throw new ModelException("The program has exclusive accesses, which only the AArch64 core knows.");
        }
    }

    // With all writes promised first an exploration is small, but does not always answer everything; then the program
    // is explored once more, step by step.
    private static Exploration ExploreViews(Attempt attempt, ref ExplorationOptions options, int spareBits)
    {
        ViewConfiguration configuration = NewConfiguration(options);
        Exploration exploration = attempt.Run(configuration);

        // A loop that stores without end is finite only where writes can be forgotten.
        if (configuration.RunsInPhases && exploration.Bounds.HasFlag(Bounds.Writes))
        {
            options = options with { Reductions = options.Reductions & ~Reductions.PromisesFirst };
            configuration = NewConfiguration(options);
            exploration = attempt.Run(configuration);
        }

        // Where all writes are promised first, only executions that end are explored.
        if (
            configuration.RunsInPhases
            && configuration.Program.MayNotEnd
            && options.Endings
            && exploration is { Bounds: Bounds.None, Endings: Endings.NotLookedFor or Endings.Never }
        )
        {
            ExplorationOptions other = options with
            {
                Reductions = options.Reductions & ~Reductions.PromisesFirst,
                MaxBytes = Math.Max(0, options.MaxBytes - exploration.Bytes),
            };
            Exploration inSteps = attempt.Run(NewConfiguration(other));

            // That no execution ends is known by then; the other exploration says where each thread stays.
            exploration =
                exploration.Endings == Endings.Never && inSteps.Endings != Endings.Never
                    ? exploration
                    : exploration.WithEndingsOf(inSteps);
        }

        return exploration;

        ViewConfiguration NewConfiguration(ExplorationOptions chosen) =>
            ViewConfiguration.Of(
                chosen,
                attempt.Program,
                attempt.Analyses,
                views => attempt.Compile(chosen, spareBits, views)
            );
    }

    /// <summary>What all searches for one answer share.</summary>
    private sealed record Attempt(
        ModelProgram Program,
        CellMap Map,
        StaticAnalysis[] Analyses,
        long Start,
        IProgress<ExplorationProgress>? Progress,
        CancellationToken Cancellation
    )
    {
        public CompiledProgram Compile(ExplorationOptions options, int spareBits, ViewSizes views) =>
            new(Program, Map, Analyses, options.PreemptionBound, views, spareBits);

        public Exploration Run<TCore>(CoreConfiguration<TCore> configuration)
            where TCore : struct, ICore
        {
            using var search = new Search<TCore>(configuration, Start, Progress, Cancellation);
            return search.Run();
        }
    }
}
