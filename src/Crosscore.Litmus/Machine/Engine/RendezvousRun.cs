using System.Diagnostics;
using Crosscore.Litmus.Machine.Encoding;
using Crosscore.Litmus.Syntax;
using Crosscore.Threads;

namespace Crosscore.Litmus.Machine.Engine;

/// <summary>
/// Runs a test in rendezvous mode, batch by batch. In a batch each thread first makes its share of the fresh memory,
/// then runs its column on all instances, then counts the outcomes of its share; the first rendezvous and the last one,
/// which both lie in the machine code, separate the three.
/// </summary>
internal sealed unsafe class RendezvousRun : IDisposable
{
    // A batch should be long enough that starting it costs little, and short enough that chance sets many different
    // timings; its memory should stay in the caches. It grows from the smallest, because a test may contain a call of
    // milliseconds.
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(5);
    private const int SmallestBatch = 64;
    private const int LargestBatch = 2048;
    private const long BatchBytes = 2 << 20;

    // Instances that a prefetch is ahead of the one in use: far enough for a line to come from the other core (100 to
    // 200 ns) while an iteration takes about as long.
    private const int PrefetchAhead = 3;
    private const int DelayEntries = 1 << 15;

    // Turns of a loop of two instructions, a quarter of a nanosecond each, before a column: the interesting distance of
    // two threads depends on the test. Short ones find outcomes of columns that are alike; long ones, about as long as
    // a store takes to reach the other core, those where one column has a fence more than the other.
    private const int FineDelay = 63;
    private const int CoarseDelay = 767;

    // Looks at another thread's line before asking whether to leave and giving the processor away: some 20
    // microseconds, or at once where the other can only arrive when this one gives way.
    private const int Patience = 20_000;
    private const int PatienceWhenOversubscribed = 50;

    private readonly LitmusTest _test;
    private readonly MemoryLayout _layout;
    private readonly ColumnRegisters[] _registers;
    private readonly MachineCode _code;
    private readonly PinnedCrew _crew;
    private readonly int _threads;
    private readonly int _capacity;
    private readonly NativeBlock _shared;
    private readonly NativeBlock _control;
    private readonly NativeBlock _memory;
    private readonly NativeBlock _fineDelays;
    private readonly NativeBlock _coarseDelays;
    private readonly NativeBlock[] _results;
    private readonly InstanceImage _image;
    private readonly OutcomeCounts[] _counts;
    private readonly bool _oversubscribed;
    private ulong _random = 0x2545_F491_4F6C_DD1D;
    private long _arrival;

    public RendezvousRun(
        LitmusTest test,
        MemoryLayout layout,
        ColumnRegisters[] registers,
        MachineCode code,
        PinnedCrew crew,
        bool oversubscribed
    )
    {
        _test = test;
        _layout = layout;
        _registers = registers;
        _code = code;
        _crew = crew;
        _oversubscribed = oversubscribed;
        _threads = test.Threads.Count;
        _image = new InstanceImage(test, layout);
        _capacity = (int)Math.Clamp(BatchBytes / Math.Max(layout.Size, MemoryLayout.Line), SmallestBatch, LargestBatch);
        _shared = new NativeBlock(SharedBlock.Size(_threads));
        _control = new NativeBlock((long)RendezvousLoop.Control.Size * _threads);
        _memory = new NativeBlock((long)layout.Size * (_capacity + PrefetchAhead + 1));
        _fineDelays = NewDelays(FineDelay);
        _coarseDelays = NewDelays(CoarseDelay);
        _results = [.. registers.Select(column => new NativeBlock(8L * column.Observed.Count * _capacity))];
        _counts = [.. registers.Select(_ => new OutcomeCounts(test.Observables.Count))];
    }

    /// <summary>Counts of outcomes, one for each thread.</summary>
    public IReadOnlyList<OutcomeCounts> Counts => _counts;

    /// <summary>Runs.</summary>
    /// <param name="iterations">How many iterations.</param>
    /// <param name="clock">The time.</param>
    /// <param name="stop">Asked after each batch.</param>
    public (long Iterations, MachineRunEnd End) Run(long iterations, RunClock clock, Func<bool> stop)
    {
        long done = 0;
        int batch = SmallestBatch;
        while (done < iterations)
        {
            if (clock.IsUp)
            {
                return (done, MachineRunEnd.TimeLimit);
            }

            int size = (int)Math.Min(Math.Min(batch, _capacity), iterations - done);
            long began = Stopwatch.GetTimestamp();
            Prepare(size);
            _crew.Begin(thread => Batch(thread, size));
            bool ended = clock.Await(_crew, _shared);
            _code.ThrowIfRefused(_control, RendezvousLoop.Control.Size, RendezvousLoop.Control.Answer, _threads);
            if (!ended)
            {
                return (
                    done,
                    _test.Threads.Any(X86Assembler.HasLoop) ? MachineRunEnd.DidNotEnd : MachineRunEnd.TimeLimit
                );
            }

            done += size;
            _arrival += size + 1;
            if (stop())
            {
                return (done, MachineRunEnd.Stopped);
            }

            if (Stopwatch.GetElapsedTime(began) < BatchTime)
            {
                batch = Math.Min(2 * batch, _capacity);
            }
        }

        return (done, MachineRunEnd.Completed);
    }

    public void Dispose()
    {
        foreach (
            NativeBlock block in _results
                .Append(_shared)
                .Append(_control)
                .Append(_memory)
                .Append(_fineDelays)
                .Append(_coarseDelays)
        )
        {
            block.Dispose();
        }
    }

    private void Prepare(int size)
    {
        // In half of the batches all threads fetch all lines for reading, which suits most tests; in the others chance
        // decides for each thread and line.
        bool alike = NextRandom() % 2 == 0;
        for (int thread = 0; thread < _threads; thread++)
        {
            int at = thread * RendezvousLoop.Control.Size;
            _control[at + RendezvousLoop.Control.Shared] = _shared.Address;
            _control[at + RendezvousLoop.Control.Instance] = _memory.Address;
            _control[at + RendezvousLoop.Control.Results] = _results[thread].Address;
            NativeBlock delays = NextRandom() % 4 == 0 ? _coarseDelays : _fineDelays;
            _control[at + RendezvousLoop.Control.Delays] =
                delays.Address + (sizeof(int) * (long)(NextRandom() % DelayEntries));
            _control[at + RendezvousLoop.Control.Prefetch] = _memory.Address + (PrefetchAhead * (long)_layout.Size);
            ulong read = alike ? ulong.MaxValue : NextRandom();
            _control[at + RendezvousLoop.Control.Read] = (long)read;
            _control[at + RendezvousLoop.Control.Write] = (long)(~read & NextRandom());
            _control[at + RendezvousLoop.Control.Arrival] = _arrival;
            _control[at + RendezvousLoop.Control.Remaining] = size;
            _control[at + RendezvousLoop.Control.Patience] = _oversubscribed ? PatienceWhenOversubscribed : Patience;
        }
    }

    private void Batch(int thread, int size)
    {
        int from = (int)((long)size * thread / _threads);
        int to = (int)((long)size * (thread + 1) / _threads);
        // SAFETY: memory has room for at least `size` instances, control for every thread.
        for (int instance = from; instance < to; instance++)
        {
            _image.WriteTo(_memory.Start + ((long)instance * _layout.Size));
        }

        _code.Call(thread, _control.Start + (thread * RendezvousLoop.Control.Size));
        // Everybody has arrived behind the last iteration, unless somebody was asked to leave before it: then the batch
        // is dropped.
        if (Volatile.Read(ref _shared[SharedBlock.Leave]) == 0)
        {
            CountOutcomes(thread, from, to);
        }
    }

    private void CountOutcomes(int thread, int from, int to)
    {
        int width = _test.Observables.Count;
        Source* sources = stackalloc Source[width];
        for (int index = 0; index < width; index++)
        {
            sources[index] = SourceOf(_test.Observables[index]);
        }

        OutcomeCounts counts = _counts[thread];
        Span<ulong> values = stackalloc ulong[width];
        for (int instance = from; instance < to; instance++)
        {
            ulong start = (ulong)(_memory.Address + ((long)instance * _layout.Size));
            for (int index = 0; index < width; index++)
            {
                // SAFETY: results have one row and memory one instance for each iteration of the batch; eight bytes
                // beyond a narrow last cell are padding.
                ulong value =
                    *(ulong*)(sources[index].Start + ((long)instance * sources[index].Stride)) & sources[index].Mask;
                // An address of this instance's memory is the same place of the model's memory; nothing else looks like
                // one.
                values[index] = value - start < (ulong)_layout.Size ? value - start + MemoryLayout.ModelBase : value;
            }

            counts.Count(counts.NumberOf(values));
        }
    }

    private Source SourceOf(Observable observable)
    {
        ulong mask = DataType.Truncate(ulong.MaxValue, observable.Type.Width);
        if (observable.Variable is { } variable)
        {
            int offset = _layout.OffsetOf(variable.Name) + (observable.Element * variable.Type.Width);
            return new Source(_memory.Start + offset, _layout.Size, mask);
        }

        IReadOnlyList<X86Register> observed = _registers[observable.Thread].Observed;
        int slot = Enumerable.Range(0, observed.Count).First(index => observed[index] == observable.Register);
        return new Source(_results[observable.Thread].Start + (8 * slot), 8 * observed.Count, mask);
    }

    // Half of the entries are zero, the others anything up to the longest.
    private NativeBlock NewDelays(int longest)
    {
        var delays = new NativeBlock(sizeof(int) * (DelayEntries + (long)LargestBatch));
        for (int entry = 0; entry < DelayEntries + LargestBatch; entry++)
        {
            ulong random = NextRandom() >> 16;

            // SAFETY: the block has room for this many entries, allocated three lines above.
            *(int*)(delays.Start + (sizeof(int) * (long)entry)) =
                (random & 1) == 0 ? 0 : (int)((random >> 1) % (ulong)(longest + 1));
        }

        return delays;
    }

    private ulong NextRandom()
    {
        // Marsaglia's xorshift64.
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random;
    }

    private readonly struct Source(byte* start, int stride, ulong mask)
    {
        public byte* Start { get; } = start;

        public int Stride { get; } = stride;

        public ulong Mask { get; } = mask;
    }
}
