using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cores.Views;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>A program on cores with views (AArch64, riscv-like).</summary>
internal sealed class ViewConfiguration : CoreConfiguration<ViewCore<Concurrent>>
{
    // Programs without loops need a list no longer than all their threads have writes. Past this many of one thread the
    // bound of the options applies.
    private const int MaxWritesOfThread = 64;

    private readonly ViewPlan _plan;
    private readonly InterruptFacts _interrupts;

    private ViewConfiguration(CompiledProgram program, ExplorationOptions options, ViewPlan plan)
        : base(program, options)
    {
        _plan = plan;
        _interrupts = new InterruptFacts(program);
    }

    public override bool RunsInPhases => _plan.PromisesFirst;

    public override Bounds Bounds => _plan.Promises ? Bounds.None : Bounds.Promises;

    /// <summary>Compiles a program and lays out the core.</summary>
    /// <param name="options">How to explore.</param>
    /// <param name="source">The program.</param>
    /// <param name="analyses">What each of its threads may still do.</param>
    /// <param name="compile">Compiles the program, for views of a given size.</param>
    public static ViewConfiguration Of(
        ExplorationOptions options,
        ModelProgram source,
        StaticAnalysis[] analyses,
        Func<ViewSizes, CompiledProgram> compile
    )
    {
        bool isPlain = source.System is null && !analyses.Any(analysis => analysis.MayRequestFences[0]);
        int?[] most = [.. analyses.Select(analysis => analysis.MostWrites(MaxWritesOfThread))];
        bool isBounded = isPlain && !most.Contains(null);
        bool promisesFirst = isPlain && options.Promises && options.Reductions.HasFlag(Reductions.PromisesFirst);

        // As many writes as the program can make; where loops set no limit, as many as the options say.
        CompiledProgram program = compile(
            new ViewSizes(
                Math.Max(1, isBounded ? most.Sum()!.Value : options.WriteBound),
                Picks: source.AllOps.Any(op => !op.Pick.IsConstant)
            )
        );
        ViewMemory memory = NewMemory(program, options.Caches ?? CacheType.None);
        var plan = new ViewPlan
        {
            Memory = memory,
            CpuAccesses = source.System is CpuSystem system
                ?
                [
                    .. Enumerable
                        .Range(0, system.Cpus)
                        .Select(cpu => new CpuCodeAccesses(system, cpu, program.Map, program.CpuAnalysis!)),
                ]
                : [],
            Promises = options.Promises,
            PromisesFirst = promisesFirst,
            WritesAreBounded = isBounded,
            Phase = program.Layout.Add(promisesFirst ? 1 : 0),
        };
        return new ViewConfiguration(program, options, plan);
    }

    public override Worker<ViewCore<Concurrent>> NewWorker()
    {
        var notes = new WorkerNotes(new BoundsReached());
        var promises = new PromiseFinder(Program, _plan, notes.Bounds);
        var core = new ViewCore<Concurrent>(Program, _plan, default, notes, promises);
        var machine = new Machine<ViewCore<Concurrent>>(Program, core, notes);
        return new(machine, new ViewIndependence(Program, _plan, machine, _interrupts));
    }

    private static ViewMemory NewMemory(CompiledProgram program, CacheType caches)
    {
        int tasks = program.Scheduler.Tasks;
        var memory = new ViewMemory(
            program.Source,
            program.Map,
            program.Scheduler.Cpus,
            program.Memory,
            program.Views,
            caches,
            program.Layout
        );
        memory.AddMessages(
            program.Interrupts.Any,
            program.Scheduler.Switches ? tasks : 0,
            program.Requests.Any ? tasks : 0,
            program.Layout
        );
        memory.CollectPositions(program.Threads.Concat(program.CpuCode).SelectMany(thread => thread.Views));
        return memory;
    }
}
