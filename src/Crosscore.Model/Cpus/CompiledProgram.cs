using System.Numerics;
using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>
/// A program made ready for one search: its code, its memory and the state of its CPUs and tasks, each with its fields
/// in a packed state. It never changes, so all workers of a search share it. The core adds its own fields behind these
/// (store buffers; or views).
/// </summary>
internal sealed class CompiledProgram
{
    // A loop that computes more than 2^22 values counts rather than synchronizes, and would have as many states.
    private const int MaxValueBits = 24;

    /// <summary>Compiles a program.</summary>
    /// <param name="source">The program.</param>
    /// <param name="map">The cells of its memory.</param>
    /// <param name="analyses">What each of its threads may still do.</param>
    /// <param name="maxPreemptions">The upper bound on preemptions, or <see langword="null"/>.</param>
    /// <param name="views">How large the views of registers are; nothing for a core without views.</param>
    /// <param name="spareBits">Bits of a value beyond those that the known values need.</param>
    /// <exception cref="ModelException">The program computes too many values.</exception>
    public CompiledProgram(
        ModelProgram source,
        CellMap map,
        StaticAnalysis[] analyses,
        int? maxPreemptions,
        ViewSizes views,
        int spareBits
    )
    {
        Source = source;
        Map = map;
        Views = views;
        Values = KnownValues.Of(source, map);
        int bits = BitOperations.Log2((uint)Math.Max(1, Values.Count - 1)) + 1 + spareBits;
        if (bits > MaxValueBits)
        {
            throw new ModelException(
                $"The program computes more than {1 << (MaxValueBits - 2):N0} "
                    + "different values; the model stops there."
            );
        }

        Values.LargestNumber = Values.Count == 1 && spareBits == 0 ? 0 : (1 << bits) - 1;
        Scheduler = new Scheduler(source, maxPreemptions, Layout);
        Interrupts = new Interrupts(source, Scheduler.Cpus, Layout);
        Sections = new Sections(source, Layout);
        Requests = new FenceRequests(analyses, Scheduler.Cpus, Layout);
        Threads =
        [
            .. source.Threads.Select(
                (code, id) => new CompiledThread(id, code, analyses[id], map, Layout, Values, source.System, views)
            ),
        ];
        if (source.System is CpuSystem system)
        {
            // A register that keeps its value from one invocation to the next is live at the end, as if it were
            // observed there.
            CpuAnalysis = new StaticAnalysis(
                system.CpuCode[0],
                map,
                Enumerable.Range(0, system.CpuCode[0].InitialRegisters.Count).Where(system.PersistentRegisters.Contains)
            );
            CpuCode = [.. system.CpuCode.Select((code, cpu) => Compile(system, code, cpu, views))];
        }

        Memory = new MainMemory(map, Layout, Values);
        Placement = new Placement(this);
    }

    /// <summary>Gets the program as the front end gave it.</summary>
    public ModelProgram Source { get; }

    /// <summary>Gets the units into which its memory is cut.</summary>
    public CellMap Map { get; }

    /// <summary>Gets the allocator of state bits; complete once the core has added its fields.</summary>
    public StateLayout Layout { get; } = new();

    /// <summary>Gets how large views are; nothing for a core without views.</summary>
    public ViewSizes Views { get; }

    /// <summary>Gets the numbers of values: a state holds numbers, because 64-bit values would not fit.</summary>
    public ValueTable Values { get; }

    /// <summary>Gets the code of the tasks, by the number of the task.</summary>
    public CompiledThread[] Threads { get; }

    /// <summary>
    /// Gets what each CPU executes outside of its tasks: interrupt handlers, the switch from task to task, the return
    /// from an interrupt. Without a system there is none.
    /// </summary>
    public CompiledThread[] CpuCode { get; } = [];

    /// <summary>Gets the analysis of <see cref="CpuCode"/>, whose operations are the same on each CPU.</summary>
    public StaticAnalysis? CpuAnalysis { get; }

    /// <summary>Gets where tasks run and sleep.</summary>
    public Scheduler Scheduler { get; }

    /// <summary>Gets the inter-processor interrupts that are under way.</summary>
    public Interrupts Interrupts { get; }

    /// <summary>Gets the restartable sections that tasks are in.</summary>
    public Sections Sections { get; }

    /// <summary>Gets the fences that threads demand of other cores.</summary>
    public FenceRequests Requests { get; }

    /// <summary>Gets the memory that all cores share.</summary>
    public MainMemory Memory { get; }

    /// <summary>Gets the answers to "which code does this CPU execute".</summary>
    public Placement Placement { get; }

    /// <summary>
    /// Gets whether some execution may have no end. Threads without loops only wait for stores to reach memory and for
    /// fences, which every core passes eventually.
    /// </summary>
    public bool MayNotEnd => Source.System is not null || Threads.Any(thread => thread.Analysis.HasLoops);

    /// <summary>Makes the state at the start, except for the fields of the core.</summary>
    public ulong[] InitialState()
    {
        ulong[] state = new ulong[Layout.Words];
        foreach (CompiledThread thread in Threads.Concat(CpuCode))
        {
            for (int register = 0; register < thread.Registers.Length; register++)
            {
                // A state is zero already. To write a zero would erase another register that shares the field.
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
        return state;
    }

    private CompiledThread Compile(CpuSystem system, ThreadCode code, int cpu, ViewSizes views) =>
        new(cpu, code, CpuAnalysis!, Map, Layout, Values, views: views, isCpuCode: true, entries: system.Entries);
}
