using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Runs a test in perpetual mode, batch by batch: both sides run freely, then their logs are judged. Numbers start
/// again with each batch, so they fit the narrowest variable.
/// </summary>
internal sealed unsafe class PerpetualRun : IBatchRun, IDisposable
{
    private const int MaxBatch = 1 << 15;

    // An iteration of the fast side takes a nanosecond at least, so this lasts longer than any batch, and fits four
    // bytes with the sign to spare.
    private const long FastLimit = 1L << 30;

    private readonly PerpetualPlan _plan;
    private readonly MachineCode _code;
    private readonly InstanceImage _image;
    private readonly NativeBlock _control = new(2 * PerpetualControl.Size);
    private readonly NativeBlock _memory;
    private readonly NativeBlock[] _logs = new NativeBlock[2];
    private readonly (int Offset, int Length)[] _numbered;

    public PerpetualRun(LitmusTest test, MemoryLayout layout, PerpetualPlan plan, MachineCode code)
    {
        _plan = plan;
        _code = code;
        _image = new InstanceImage(test, layout);
        _memory = new NativeBlock(layout.Size);
        _numbered =
        [
            .. test
                .Variables.Where(variable => plan.Stored.Contains(variable.Name))
                .Select(variable => (layout.OffsetOf(variable.Name), variable.Size)),
        ];
        Frames = new PerpetualFrames(test, layout, plan);

        // The fast side logs an entry when a number changes; each of the slow side's numbers appears at most once at
        // each load.
        int fastLoads = plan.Loads[plan.Fast].Count;
        _logs[plan.Fast] = new NativeBlock(
            (long)PerpetualControl.FastEntry(fastLoads) * ((MaxBatch * (long)Math.Max(fastLoads, 1)) + 2)
        );
        _logs[plan.Slow] = new NativeBlock(
            (long)PerpetualControl.SlowEntry(plan.Loads[plan.Slow].Count) * (MaxBatch + 1)
        );
    }

    /// <summary>Gets what the batches showed.</summary>
    public PerpetualFrames Frames { get; }

    /// <summary>Iterations of the fast side.</summary>
    public long FastIterations { get; private set; }

    public TimeSpan BatchTime { get; } = TimeSpan.FromMilliseconds(20);

    public int FirstBatch => 16;

    public int BatchLimit => MaxBatch;

    public NativeBlock Shared { get; } = new(SharedBlock.Size(2));

    // A batch that is asked to leave does so between two iterations, so what it made counts.
    public bool CountsCutBatches => true;

    public MachineRunEnd CutEnd => MachineRunEnd.TimeLimit;

    public void Execute(int thread, int size) => _code.Call(thread, _control.Start + (thread * PerpetualControl.Size));

    public void ThrowIfRefused() => _code.ThrowIfRefused(_control, PerpetualControl.Size, PerpetualControl.Answer, 2);

    public void Dispose()
    {
        foreach (NativeBlock block in _logs.Append(Shared).Append(_control).Append(_memory))
        {
            block.Dispose();
        }
    }

    public void Prepare(int size)
    {
        _image.WriteTo(_memory.Start);
        foreach ((int offset, int length) in _numbered)
        {
            // SAFETY: a variable's place in the layout, and the block has the layout's size.
            new Span<byte>(_memory.Start + offset, length).Clear(); // iteration 0 stands for the initial value
        }

        Shared[SharedBlock.Leave] = 0;
        Shared[SharedBlock.Line(0)] = 0;
        foreach (int side in (ReadOnlySpan<int>)[_plan.Fast, _plan.Slow])
        {
            int at = side * PerpetualControl.Size;
            _control[at + PerpetualControl.Shared] = Shared.Address;
            _control[at + PerpetualControl.Memory] = _memory.Address;
            _control[at + PerpetualControl.Log] = _logs[side].Address;
            _control[at + PerpetualControl.LogEnd] = _logs[side].Address + _logs[side].Length;
            _control[at + PerpetualControl.Limit] = side == _plan.Fast ? FastLimit : size;
            _control[at + PerpetualControl.Iterations] = 0;
        }
    }

    public long Finish(int size)
    {
        long fast = _control[(_plan.Fast * PerpetualControl.Size) + PerpetualControl.Iterations];
        long slow = _control[(_plan.Slow * PerpetualControl.Size) + PerpetualControl.Iterations];
        FastIterations += fast;
        Frames.Judge(Log(_plan.Fast), fast, Log(_plan.Slow));
        return slow;
    }

    // SAFETY: the code left the end of what it wrote in the control block, and it stops at the end of the block.
    private ReadOnlySpan<long> Log(int side) =>
        new(
            _logs[side].Start,
            (int)(
                (_control[(side * PerpetualControl.Size) + PerpetualControl.Log] - _logs[side].Address) / sizeof(long)
            )
        );
}
