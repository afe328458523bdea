using System.Diagnostics;
using Crosscore.Litmus.Machine.Encoding;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine.Engine;

/// <summary>
/// Runs a test in perpetual mode, batch by batch: both sides run freely, then their logs are judged. Numbers start
/// again with each batch, so they fit the narrowest variable.
/// </summary>
internal sealed unsafe class PerpetualRun : IDisposable
{
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(20);
    private const int SmallestBatch = 16;
    private const int LargestBatch = 1 << 15;

    // An iteration of the fast side takes a nanosecond at least, so this lasts longer than any batch, and fits four
    // bytes with the sign to spare.
    private const long FastLimit = 1L << 30;

    private readonly PerpetualPlan _plan;
    private readonly MachineCode _code;
    private readonly PinnedCrew _crew;
    private readonly InstanceImage _image;
    private readonly NativeBlock _shared = new(SharedBlock.Size(2));
    private readonly NativeBlock _control = new(2 * PerpetualLoop.Control.Size);
    private readonly NativeBlock _memory;
    private readonly NativeBlock[] _logs = new NativeBlock[2];
    private readonly (int Offset, int Length)[] _numbered;

    public PerpetualRun(LitmusTest test, MemoryLayout layout, PerpetualPlan plan, MachineCode code, PinnedCrew crew)
    {
        _plan = plan;
        _code = code;
        _crew = crew;
        _image = new InstanceImage(test, layout);
        _memory = new NativeBlock(layout.Size);
        _numbered =
        [
            .. test
                .Variables.Where(variable => plan.IsStored(variable.Name))
                .Select(variable => (layout.OffsetOf(variable.Name), variable.Size)),
        ];
        Frames = new PerpetualFrames(test, layout, plan);

        // The fast side logs an entry when a number changes; each of the slow side's numbers appears at most once at
        // each load.
        int fastLoads = plan.Loads[plan.Fast].Count;
        _logs[plan.Fast] = new NativeBlock(
            (long)PerpetualLoop.FastEntry(fastLoads) * ((LargestBatch * (long)Math.Max(fastLoads, 1)) + 2)
        );
        _logs[plan.Slow] = new NativeBlock(
            (long)PerpetualLoop.SlowEntry(plan.Loads[plan.Slow].Count) * (LargestBatch + 1)
        );
    }

    /// <summary>What the batches showed.</summary>
    public PerpetualFrames Frames { get; }

    /// <summary>Iterations of the fast side.</summary>
    public long FastIterations { get; private set; }

    /// <summary>Runs.</summary>
    /// <param name="iterations">How many iterations of the slow side.</param>
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

            long began = Stopwatch.GetTimestamp();
            Prepare((int)Math.Min(batch, iterations - done));
            _crew.Begin(thread => _code.Call(thread, _control.Start + (thread * PerpetualLoop.Control.Size)));

            // A batch that is asked to leave does so between two iterations, so what it made counts.
            bool ended = clock.Await(_crew, _shared);
            _code.ThrowIfRefused(_control, PerpetualLoop.Control.Size, PerpetualLoop.Control.Answer, 2);
            done += Judge();
            if (stop())
            {
                return (done, MachineRunEnd.Stopped);
            }

            if (!ended)
            {
                return (done, MachineRunEnd.TimeLimit);
            }

            if (Stopwatch.GetElapsedTime(began) < BatchTime)
            {
                batch = Math.Min(2 * batch, LargestBatch);
            }
        }

        return (done, MachineRunEnd.Completed);
    }

    public void Dispose()
    {
        foreach (NativeBlock block in _logs.Append(_shared).Append(_control).Append(_memory))
        {
            block.Dispose();
        }
    }

    private void Prepare(int size)
    {
        _image.WriteTo(_memory.Start);
        foreach ((int offset, int length) in _numbered)
        {
            // SAFETY: a variable's place in the layout, and the block has the layout's size.
            new Span<byte>(_memory.Start + offset, length).Clear(); // iteration 0 stands for the initial value
        }

        _shared[SharedBlock.Leave] = 0;
        _shared[SharedBlock.Line(0)] = 0;
        foreach (int side in (ReadOnlySpan<int>)[_plan.Fast, _plan.Slow])
        {
            int at = side * PerpetualLoop.Control.Size;
            _control[at + PerpetualLoop.Control.Shared] = _shared.Address;
            _control[at + PerpetualLoop.Control.Memory] = _memory.Address;
            _control[at + PerpetualLoop.Control.Log] = _logs[side].Address;
            _control[at + PerpetualLoop.Control.LogEnd] = _logs[side].Address + _logs[side].Length;
            _control[at + PerpetualLoop.Control.Limit] = side == _plan.Fast ? FastLimit : size;
            _control[at + PerpetualLoop.Control.Iterations] = 0;
        }
    }

    private long Judge()
    {
        long fast = _control[(_plan.Fast * PerpetualLoop.Control.Size) + PerpetualLoop.Control.Iterations];
        long slow = _control[(_plan.Slow * PerpetualLoop.Control.Size) + PerpetualLoop.Control.Iterations];
        FastIterations += fast;
        Frames.Judge(Log(_plan.Fast), fast, Log(_plan.Slow));
        return slow;
    }

    // SAFETY: the code left the end of what it wrote in the control block, and it stops at the end of the block.
    private ReadOnlySpan<long> Log(int side) =>
        new(
            _logs[side].Start,
            (int)(
                (_control[(side * PerpetualLoop.Control.Size) + PerpetualLoop.Control.Log] - _logs[side].Address)
                / sizeof(long)
            )
        );
}
