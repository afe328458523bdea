using System.Diagnostics;
using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>Explores every execution of a program on a kind of core.</summary>
public static class Explorer
{
    // Programs without unfenced loops need a buffer no longer than their longest path has stores; past this the bound of the options applies.
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
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(program);
        options ??= new ExplorationOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BufferBound, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxStates, 1, nameof(options));
        if (program.Threads.Count is 0 or > 30)
        {
            throw new ModelException($"The program has {program.Threads.Count} threads; the model takes 1 to 30.");
        }

        long start = Stopwatch.GetTimestamp();
        var map = new CellMap(program);
        StaticAnalysis[] analyses = [.. program.Threads.Select((thread, id) => new StaticAnalysis(
            thread, map, program.Observations.Where(observed => observed.Thread == id).Select(observed => observed.Register)))];

        // A program that computes may meet values that it does not name; when there is no room for one more, everything starts again with wider fields.
        bool computes = program.Threads.Any(thread => thread.Ops.Any(op => op.Kind == MicroOpKind.Compute)) || map.HasByteCells;
        for (int spareBits = computes ? 1 : 0; ; spareBits += 2)
        {
            try
            {
                var setup = new Setup(program, map, analyses, options, spareBits);
                return core switch
                {
                    CoreKind.X86Tso => Search(setup, setup.TotalStoreOrder(), start, progress, cancellation),
                    CoreKind.Sc => Search(setup, setup.SequentialConsistency(), start, progress, cancellation),
                    _ => throw new ArgumentOutOfRangeException(nameof(core), core, "No such kind of core."),
                };
            }
            catch (ValuesExceededException)
            {
                // The loop goes on.
            }
        }
    }

    private static Exploration Search<TMachine>(
        Setup setup, (TMachine Memory, bool[] Bounded) machine, long start, IProgress<ExplorationProgress>? progress, CancellationToken cancellation)
        where TMachine : struct, IMemoryMachine
    {
        var threads = new ThreadMachine<TMachine>(setup.Threads, machine.Memory, setup.Requests, setup.Map, setup.Values, machine.Bounded);
        return new Search<TMachine>(setup, threads, start, progress, cancellation).Run();
    }

    // Past 2^22 values a loop counts rather than synchronises, and the states would be as many.
    private const int MostValueBits = 24;

    /// <summary>Everything about one attempt that does not depend on the kind of core, laid out for packed states.</summary>
    internal sealed class Setup
    {
        private readonly MainMemory _memory;
        private readonly StaticAnalysis[] _analyses;

        public Setup(ModelProgram program, CellMap map, StaticAnalysis[] analyses, ExplorationOptions options, int spareBits)
        {
            Program = program;
            Map = map;
            Options = options;
            _analyses = analyses;
            Values = KnownValues(program, map);
            int bits = System.Numerics.BitOperations.Log2((uint)Math.Max(1, Values.Count - 1)) + 1 + spareBits;
            if (bits > MostValueBits)
            {
                throw new ModelException($"The program computes more than {1 << (MostValueBits - 2):N0} different values; the model stops there.");
            }

            Values.LargestNumber = Values.Count == 1 && spareBits == 0 ? 0 : (1 << bits) - 1;
            Requests = new FenceRequests(analyses, Layout);
            Threads = [.. program.Threads.Select((code, id) => new CompiledThread(id, code, analyses[id], map, Layout, Values))];
            _memory = new MainMemory(map, Layout, Values);
        }

        public ModelProgram Program { get; }

        public CellMap Map { get; }

        public ExplorationOptions Options { get; }

        public StateLayout Layout { get; } = new();

        public ValueTable Values { get; }

        public FenceRequests Requests { get; }

        public CompiledThread[] Threads { get; }

        public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => _memory.Read(state, span);

        public ulong[] InitialState()
        {
            ulong[] state = new ulong[Layout.Words];
            foreach (CompiledThread thread in Threads)
            {
                for (int register = 0; register < thread.Registers.Length; register++)
                {
                    thread.Registers[register].Set(state, thread.InitialRegisters[register]);
                }
            }

            for (int cell = 0; cell < Map.Count; cell++)
            {
                _memory.Write(state, new CellSpan(cell, 1), Values.Number(Map.InitialValue(cell)));
            }

            return state;
        }

        public (TotalStoreOrder Memory, bool[] Bounded) TotalStoreOrder()
        {
            int?[] most = [.. _analyses.Select(analysis => analysis.MostWaitingStores(LongestBuffer))];
            int[] depths = [.. most.Select(depth => depth ?? Options.BufferBound)];
            return (new TotalStoreOrder(_memory, Map, Layout, depths), [.. most.Select(depth => depth is null)]);
        }

        public (SequentialConsistency Memory, bool[] Bounded) SequentialConsistency() =>
            (new SequentialConsistency(_memory), new bool[Threads.Length]);

        private static ValueTable KnownValues(ModelProgram program, CellMap map)
        {
            var values = new ValueTable();
            foreach (ThreadCode thread in program.Threads)
            {
                foreach (ulong value in thread.InitialRegisters)
                {
                    values.Number(value);
                }

                // The address of a load or store is resolved beforehand and needs no number; every other constant can end up in a register or a cell.
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

            return values;
        }
    }
}
