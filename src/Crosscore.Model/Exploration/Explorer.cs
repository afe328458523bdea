using System.Diagnostics;
using Crosscore.Model.Memory;
using Crosscore.Model.Memory.Views;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>Explores every execution of a program on a kind of core.</summary>
public static class Explorer
{
    // Programs without unfenced loops need a buffer no longer than their longest path has stores; past this the bound
    // of the options applies.
    private const int LongestBuffer = 64;

    /// <summary>Finds all final states of a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="core">The kind of cores that it runs on.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="progress">Is told now and then how far the exploration is.</param>
    /// <param name="cancellation">Ends the exploration early; the result says so.</param>
    /// <returns>The final states, and what was not looked at.</returns>
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

        if (!CoreRules.Of(core).HasViews && AllCode(program).Any(op => op.Kind == MicroOpKind.TryReservation))
        {
            throw new ModelException("The program has exclusive accesses, which only the AArch64 core knows.");
        }

        long start = Stopwatch.GetTimestamp();
        var map = new CellMap(program, mayCut: !CoreRules.Of(core).HasViews);
        StaticAnalysis[] analyses =
        [
            .. program.Threads.Select(
                (thread, id) =>
                    new StaticAnalysis(
                        thread,
                        map,
                        program
                            .Observations.Where(observed => observed.Thread == id)
                            .Select(observed => observed.Register),
                        id
                    )
            ),
        ];

        // A program that computes may meet values that it does not name; when there is no room for one more, everything
        // starts again with wider fields.
        bool computes = AllCode(program).Any(op => op.Kind == MicroOpKind.Compute) || map.HasByteCells;
        for (int spareBits = computes ? 1 : 0; ; spareBits += 2)
        {
            try
            {
                Setup setup = NewSetup(options);
                Exploration exploration = Run(setup);

                // A loop that stores without end is finite only where writes can be forgotten.
                if (setup.PromisesFirst && exploration.Bounds.HasFlag(Bounds.Writes))
                {
                    options = options with { Reductions = options.Reductions & ~Reductions.PromisesFirst };
                    setup = NewSetup(options);
                    exploration = Run(setup);
                }

                // Where all writes are promised first, only executions that end are gone through.
                if (
                    setup is { PromisesFirst: true, MayNotEnd: true }
                    && options.Endings
                    && exploration is { Bounds: Bounds.None, Endings: Endings.NotLookedFor or Endings.Never }
                )
                {
                    ExplorationOptions other = options with
                    {
                        Reductions = options.Reductions & ~Reductions.PromisesFirst,
                        MaxBytes = Math.Max(0, options.MaxBytes - exploration.Bytes),
                    };
                    Exploration inSteps = Run(NewSetup(other));

                    // That no execution ends is known by then; the other exploration says where each thread stays.
                    exploration =
                        exploration.Endings == Endings.Never && inSteps.Endings != Endings.Never
                            ? exploration
                            : exploration.WithEndingsOf(inSteps);
                }

                return exploration;

                Setup NewSetup(ExplorationOptions chosen) => new(program, map, analyses, chosen, spareBits, core);

                Exploration Run(Setup setup) =>
                    core switch
                    {
                        CoreKind.X86Tso => Search(setup, setup.TotalStoreOrder(), start, progress, cancellation),
                        CoreKind.Sc => Search(setup, setup.SequentialConsistency(), start, progress, cancellation),
                        CoreKind.AArch64 or CoreKind.RiscVLike => Search(
                            setup,
                            (new ViewMachine(setup.Views!), new bool[setup.Scheduler.Cpus]),
                            start,
                            progress,
                            cancellation
                        ),
                        _ => throw new ArgumentOutOfRangeException(nameof(core), core, "No such kind of core."),
                    };
            }
            catch (ValuesExceededException)
            {
                // The loop goes on.
            }
        }
    }

    private static IEnumerable<MicroOp> AllCode(ModelProgram program) =>
        program.Threads.Concat(program.System?.CpuCode ?? []).SelectMany(thread => thread.Ops);

    private static Exploration Search<TMachine>(
        Setup setup,
        (TMachine Memory, bool[] Bounded) machine,
        long start,
        IProgress<ExplorationProgress>? progress,
        CancellationToken cancellation
    )
        where TMachine : struct, IMemoryMachine
    {
        // A machine notes what it meets, so each thread has one of its own; what is shared of the setup does not
        // change.
        CpuMachine<TMachine> NewMachine() => new(setup, machine.Memory, machine.Bounded);
        using var search = new Search<TMachine>(setup, NewMachine, start, progress, cancellation);
        return search.Run();
    }

    // Past 2^22 values a loop counts rather than synchronises, and the states would be as many.
    private const int MostValueBits = 24;

    /// <summary>
    /// Everything about one attempt that does not depend on the kind of core, laid out for packed states.
    /// </summary>
    internal sealed class Setup
    {
        private readonly StaticAnalysis[] _analyses;
        private readonly StaticAnalysis? _cpuAnalysis;

        public Setup(
            ModelProgram program,
            CellMap map,
            StaticAnalysis[] analyses,
            ExplorationOptions options,
            int spareBits,
            CoreKind core
        )
        {
            Program = program;
            Map = map;
            Options = options;
            _analyses = analyses;
            Values = KnownValues(program, map);
            int bits = System.Numerics.BitOperations.Log2((uint)Math.Max(1, Values.Count - 1)) + 1 + spareBits;
            if (bits > MostValueBits)
            {
                throw new ModelException(
                    $"The program computes more than {1 << (MostValueBits - 2):N0} "
                        + "different values; the model stops there."
                );
            }

            Values.LargestNumber = Values.Count == 1 && spareBits == 0 ? 0 : (1 << bits) - 1;

            // Threads without loops wait for nothing but stores on their way to memory, and for fences that every core
            // passes in the end.
            MayNotEnd = program.System is not null || analyses.Any(analysis => analysis.HasLoops);
            Scheduler = new Scheduler(program, options.PreemptionBound, Layout);
            Interrupts = new Interrupts(program, Scheduler.Cpus, Layout);
            Sections = new Sections(program, Layout);
            Requests = new FenceRequests(analyses, Scheduler.Cpus, Layout);
            bool hasViews = CoreRules.Of(core).HasViews;
            ViewSizes views = hasViews ? SizeOfViews(program, analyses, options) : default;
            Threads =
            [
                .. program.Threads.Select(
                    (code, id) => new CompiledThread(id, code, analyses[id], map, Layout, Values, program.System, views)
                ),
            ];
            if (program.System is CpuSystem system)
            {
                // A register that keeps its value from one invocation to the next is live at the end; all of them have
                // to be taken for that.
                _cpuAnalysis = new StaticAnalysis(
                    system.CpuCode[0],
                    map,
                    Enumerable
                        .Range(0, system.CpuCode[0].InitialRegisters.Count)
                        .Where(system.PersistentRegisters.Contains)
                );
                CpuCode =
                [
                    .. system.CpuCode.Select(
                        (code, cpu) =>
                            new CompiledThread(
                                cpu,
                                code,
                                _cpuAnalysis,
                                map,
                                Layout,
                                Values,
                                views: views,
                                isCpuCode: true,
                                entries: system.Entries
                            )
                    ),
                ];
            }

            if (hasViews && program.System is CpuSystem cpus)
            {
                CpuAccesses =
                [
                    .. Enumerable.Range(0, cpus.Cpus).Select(cpu => new CpuCodeAccesses(cpus, cpu, map, _cpuAnalysis!)),
                ];
            }

            Memory = new MainMemory(map, Layout, Values);

            // A core with views finds what a fetch returns among the writes.
            Fetch = new InstructionFetch(
                [.. program.Memory.Where(region => region.IsCode && !hasViews)],
                program,
                map,
                Scheduler.Cpus,
                options.Fetch,
                Layout,
                Values
            );
            if (hasViews)
            {
                Views = new ViewMemory(
                    program,
                    map,
                    Scheduler.Cpus,
                    Memory,
                    views,
                    options.Caches ?? CacheType.None,
                    Layout
                );
                Views.AddMessages(
                    Interrupts.Any,
                    Scheduler.Switches ? Scheduler.Tasks : 0,
                    Requests.Any ? Scheduler.Tasks : 0,
                    Layout
                );
                Views.CollectPositions(Threads.Concat(CpuCode).SelectMany(thread => thread.Views));
                Phase = Layout.Add(PromisesFirst ? 1 : 0);
            }
        }

        public ModelProgram Program { get; }

        public CellMap Map { get; }

        public ExplorationOptions Options { get; }

        public StateLayout Layout { get; } = new();

        public ValueTable Values { get; }

        public FenceRequests Requests { get; }

        public CompiledThread[] Threads { get; }

        /// <summary>The code of each CPU; none without a system.</summary>
        public CompiledThread[] CpuCode { get; } = [];

        /// <summary>What the code of each CPU may touch, where the core asks; otherwise none.</summary>
        public CpuCodeAccesses[] CpuAccesses { get; } = [];

        public Scheduler Scheduler { get; }

        public Interrupts Interrupts { get; }

        public Sections Sections { get; }

        public InstructionFetch Fetch { get; }

        /// <summary>Memory as an AArch64 core sees it; <see langword="null"/> for other cores.</summary>
        public ViewMemory? Views { get; }

        /// <summary>
        /// Whether all writes are promised before anything is executed: threads that each run on a CPU of their own,
        /// and loops that do not store without end.
        /// </summary>
        public bool PromisesFirst { get; private set; }

        /// <summary>Whether some execution may have no end.</summary>
        public bool MayNotEnd { get; }

        /// <summary>Whether the program itself sets a limit to how many writes there are.</summary>
        public bool WritesAreBounded { get; private set; }

        /// <summary>Whether the execution has begun, where writes are promised first.</summary>
        public BitField Phase { get; }

        public MainMemory Memory { get; }

        public ulong[] InitialState()
        {
            ulong[] state = new ulong[Layout.Words];
            foreach (CompiledThread thread in Threads.Concat(CpuCode))
            {
                for (int register = 0; register < thread.Registers.Length; register++)
                {
                    // Zero is there already, and to write it would wipe a register out that shares the field.
                    if (thread.InitialRegisters[register] != 0)
                    {
                        thread.Registers[register].Set(state, thread.InitialRegisters[register]);
                    }
                }
            }

            for (int cell = 0; cell < Map.Count; cell++)
            {
                Memory.Initialize(state, cell, Values.Number(Map.InitialValue(cell)));
            }

            foreach (CompiledThread code in CpuCode)
            {
                code.Pc.Set(state, code.End);
            }

            Scheduler.Initialize(state);
            Fetch.Initialize(state, Memory);

            return state;
        }

        public (TotalStoreOrder Memory, bool[] Bounded) TotalStoreOrder()
        {
            int?[] most = [.. _analyses.Select(analysis => analysis.MostWaitingStores(LongestBuffer))];
            int?[] depths = Program.System is not CpuSystem system
                ? most
                : Enumerable.Repeat(MostOfCpu(system, most), system.Cpus).ToArray();
            bool[] bounded = [.. depths.Select(depth => depth is null || Program.System is not null)];
            return (
                new TotalStoreOrder(Memory, Map, Layout, [.. depths.Select(depth => depth ?? Options.BufferBound)]),
                bounded
            );
        }

        // What a task stored may wait while its CPU's own code stores, and sends a message or two. More would take a
        // kernel that switches without any barrier, and is reported.
        private int? MostOfCpu(CpuSystem system, int?[] tasks)
        {
            int? own = _cpuAnalysis!.MostWaitingStores(LongestBuffer, system.Entries);
            return own is null || tasks.Contains(null) ? null : tasks.Max() + own + 2;
        }

        public (SequentialConsistency Memory, bool[] Bounded) SequentialConsistency() =>
            (new SequentialConsistency(Memory), new bool[Scheduler.Cpus]);

        // As many writes as the program can make; where loops set no limit, as many as the options say.
        private ViewSizes SizeOfViews(ModelProgram program, StaticAnalysis[] analyses, ExplorationOptions options)
        {
            bool plain = program.System is null && !Requests.Any;
            int?[] most = [.. analyses.Select(analysis => analysis.MostWrites(LongestBuffer))];
            bool bounded = plain && !most.Contains(null);
            PromisesFirst = plain && options.Promises && options.Reductions.HasFlag(Reductions.PromisesFirst);
            WritesAreBounded = bounded;
            bool picks = AllCode(program).Any(op => !op.Pick.IsConstant);
            return new ViewSizes(Math.Max(1, bounded ? most.Sum()!.Value : options.WriteBound), picks);
        }

        private static ValueTable KnownValues(ModelProgram program, CellMap map)
        {
            var values = new ValueTable();
            foreach (ThreadCode thread in program.Threads.Concat(program.System?.CpuCode ?? []))
            {
                foreach (ulong value in thread.InitialRegisters)
                {
                    values.Number(value);
                }

                // The address of a load or store is resolved beforehand and needs no number; every other constant can
                // end up in a register or a cell.
                foreach (MicroOp op in thread.Ops)
                {
                    values.Number(op.B.Constant);
                    if (op.Width == 0)
                    {
                        values.Number(op.A.Constant);
                    }
                }
            }

            for (int cell = 0; cell < map.Count; cell++)
            {
                values.Number(map.InitialValue(cell));
            }

            // What a choice can give.
            if (AllCode(program).Any(op => op.Kind is MicroOpKind.Choose or MicroOpKind.TryReservation))
            {
                values.Number(1);
            }

            // Numbers of CPUs and tasks, which code can ask for.
            for (
                ulong number = 0;
                program.System is CpuSystem system && number <= (ulong)Math.Max(system.Cpus, program.Threads.Count);
                number++
            )
            {
                values.Number(number);
            }

            return values;
        }
    }
}
