using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Runs a test in rendezvous mode, batch by batch. In a batch each thread first makes its share of the fresh memory,
/// then runs its column on all instances, then counts the outcomes of its share; the first rendezvous and the last one,
/// which both lie in the machine code, separate the three.
/// </summary>
internal sealed unsafe class RendezvousRun : IBatchRun, IDisposable
{
    private const int MinBatch = 64;
    private const int MaxBatch = 2048;
    private const long BatchBytes = 2 << 20;

    // Instances that a prefetch is ahead of the one in use: far enough for a line to come from the other core (100 to
    // 200 ns) while an iteration takes about as long.
    private const int PrefetchAhead = 3;

    // Looks at another thread's line before asking whether to leave and giving the processor away: some 20
    // microseconds, or at once where the other can only arrive when this one gives way.
    private const int Patience = 20_000;
    private const int PatienceWhenOversubscribed = 50;

    private readonly LitmusTest _test;
    private readonly MemoryLayout _layout;
    private readonly IReadOnlyList<TestRegister>[] _observed;
    private readonly MachineRunEnd _cutEnd;
    private readonly MachineCode _code;
    private readonly int _capacity;
    private readonly NativeBlock _control;
    private readonly NativeBlock _memory;
    private readonly DelayTables _delays = new(MaxBatch);
    private readonly NativeBlock[] _results;
    private readonly InstanceImage _image;
    private readonly OutcomeCounts[] _counts;
    private readonly bool _oversubscribed;
    private long _arrival;

    public RendezvousRun(
        LitmusTest test,
        MemoryLayout layout,
        IReadOnlyList<TestRegister>[] observed,
        MachineCode code,
        MachineRunEnd cutEnd,
        bool oversubscribed
    )
    {
        _test = test;
        _layout = layout;
        _observed = observed;
        _cutEnd = cutEnd;
        _code = code;
        _oversubscribed = oversubscribed;
        _image = new InstanceImage(test, layout);
        _capacity = (int)Math.Clamp(BatchBytes / Math.Max(layout.Size, MemoryLayout.Line), MinBatch, MaxBatch);
        Shared = new NativeBlock(SharedBlock.Size(Threads));
        _control = new NativeBlock((long)RendezvousControl.Size * Threads);
        _memory = new NativeBlock((long)layout.Size * (_capacity + PrefetchAhead + 1));
        _results = [.. observed.Select(column => new NativeBlock(8L * column.Count * _capacity))];
        _counts = [.. observed.Select(_ => new OutcomeCounts(test.Observables.Count))];
    }

    /// <summary>Counts of outcomes, one for each thread.</summary>
    public IReadOnlyList<OutcomeCounts> Counts => _counts;

    // A batch should be long enough that starting it costs little, and short enough that chance sets many different
    // timings; its memory should stay in the caches. It grows from the smallest, because a test may contain a call of
    // milliseconds.
    public TimeSpan BatchTime => TimeSpan.FromMilliseconds(5);

    public int FirstBatch => MinBatch;

    public int BatchLimit => _capacity;

    public NativeBlock Shared { get; }

    public bool CountsCutBatches => false;

    public MachineRunEnd CutEnd => _cutEnd;

    private int Threads => _test.Threads.Count;

    public void Dispose()
    {
        foreach (NativeBlock block in _results.Append(Shared).Append(_control).Append(_memory))
        {
            block.Dispose();
        }

        _delays.Dispose();
    }

    public void Prepare(int size)
    {
        // In half of the batches all threads fetch all lines for reading, which suits most tests; in the others chance
        // decides for each thread and line.
        bool alike = _delays.NextRandom() % 2 == 0;
        for (int thread = 0; thread < Threads; thread++)
        {
            int at = thread * RendezvousControl.Size;
            _control[at + RendezvousControl.Shared] = Shared.Address;
            _control[at + RendezvousControl.Instance] = _memory.Address;
            _control[at + RendezvousControl.Results] = _results[thread].Address;
            _control[at + RendezvousControl.Delays] = _delays.PickStart();
            _control[at + RendezvousControl.Prefetch] = _memory.Address + (PrefetchAhead * (long)_layout.Size);
            ulong read = alike ? ulong.MaxValue : _delays.NextRandom();
            _control[at + RendezvousControl.Read] = (long)read;
            _control[at + RendezvousControl.Write] = (long)(~read & _delays.NextRandom());
            _control[at + RendezvousControl.Arrival] = _arrival;
            _control[at + RendezvousControl.Remaining] = size;
            _control[at + RendezvousControl.Patience] = _oversubscribed ? PatienceWhenOversubscribed : Patience;
        }
    }

    public void Execute(int thread, int size)
    {
        int from = (int)((long)size * thread / Threads);
        int to = (int)((long)size * (thread + 1) / Threads);
        // SAFETY: memory has room for at least `size` instances, control for every thread.
        for (int instance = from; instance < to; instance++)
        {
            _image.WriteTo(_memory.Start + ((long)instance * _layout.Size));
        }

        _code.Call(thread, _control.Start + (thread * RendezvousControl.Size));
        // All threads have arrived behind the last iteration, unless one was asked to leave before it: then the batch
        // is dropped.
        if (Volatile.Read(ref Shared[SharedBlock.Leave]) == 0)
        {
            CountOutcomes(thread, from, to);
        }
    }

    public long Finish(int size)
    {
        _arrival += size + 1;
        return size;
    }

    public void ThrowIfRefused() =>
        _code.ThrowIfRefused(_control, RendezvousControl.Size, RendezvousControl.Answer, Threads);

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

        IReadOnlyList<TestRegister> observed = _observed[observable.Thread];
        int slot = Enumerable.Range(0, observed.Count).First(index => observed[index] == observable.Register);
        return new Source(_results[observable.Thread].Start + (8 * slot), 8 * observed.Count, mask);
    }

    private readonly struct Source(byte* start, int stride, ulong mask)
    {
        public byte* Start { get; } = start;

        public int Stride { get; } = stride;

        public ulong Mask { get; } = mask;
    }
}
