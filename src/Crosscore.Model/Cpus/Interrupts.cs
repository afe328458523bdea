using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>Inter-processor interrupts on their way: who waits for whom, and with which handler.</summary>
internal sealed class Interrupts
{
    private readonly BitField[] _pending;
    private readonly BitField[] _outstanding;
    private readonly BitField[] _handler;
    private readonly BitField[] _serving;

    public Interrupts(ModelProgram program, int cpus, StateLayout layout)
    {
        MicroOp[] sends =
        [
            .. program.Threads.SelectMany(thread => thread.Ops).Where(op => op.Kind == MicroOpKind.SendIpi),
        ];
        Any = sends.Length > 0;
        Handlers = [.. sends.Select(op => op.Target).Distinct()];
        int everybody = Any ? (1 << cpus) - 1 : 0;
        int handlers = Any ? sends.Max(op => op.Target) : 0;
        _pending = Fields(layout, cpus, everybody);
        _outstanding = Fields(layout, cpus, everybody);
        _handler = Fields(layout, cpus, handlers);
        _serving = Fields(layout, cpus, Any ? cpus : 0);
    }

    /// <summary>Whether the program sends any.</summary>
    public bool Any { get; }

    /// <summary>The handlers that are ever called for.</summary>
    public IReadOnlyList<int> Handlers { get; }

    public void Send(Span<ulong> state, int sender, int targets, int handler)
    {
        _handler[sender].Set(state, targets == 0 ? 0 : handler);
        _outstanding[sender].Set(state, targets);
        for (int cpu = 0; cpu < _pending.Length; cpu++)
        {
            if ((targets & (1 << cpu)) != 0)
            {
                _pending[cpu].Set(state, _pending[cpu].Get(state) | (1 << sender));
            }
        }
    }

    public bool AllAnswered(ReadOnlySpan<ulong> state, int sender) => _outstanding[sender].Get(state) == 0;

    /// <summary>The CPUs, as a bit mask, whose interrupt a CPU has not taken yet.</summary>
    public int Pending(ReadOnlySpan<ulong> state, int cpu) => Any ? _pending[cpu].Get(state) : 0;

    /// <summary>A CPU takes the interrupt of a sender; returns the handler.</summary>
    public int Take(Span<ulong> state, int cpu, int sender)
    {
        _pending[cpu].Set(state, _pending[cpu].Get(state) & ~(1 << sender));
        _serving[cpu].Set(state, sender + 1);
        return _handler[sender].Get(state);
    }

    /// <summary>The sender whose interrupt a CPU is handling; it is handled no longer.</summary>
    public int Finish(Span<ulong> state, int cpu)
    {
        int sender = _serving[cpu].Get(state) - 1;
        _serving[cpu].Set(state, 0);
        return sender;
    }

    /// <summary>The answer of a CPU arrives at the sender.</summary>
    public void Answer(Span<ulong> state, int sender, int cpu)
    {
        int outstanding = _outstanding[sender].Get(state) & ~(1 << cpu);
        _outstanding[sender].Set(state, outstanding);
        if (outstanding == 0)
        {
            _handler[sender].Set(state, 0);
        }
    }

    private static BitField[] Fields(StateLayout layout, int count, int largest) =>
        [.. Enumerable.Range(0, count).Select(_ => layout.Add(largest))];
}
