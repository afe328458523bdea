using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Compilation;

/// <summary>
/// Which cells the code of one CPU may ever touch: its own of what each CPU has one of, those of the tasks that may run
/// there of what each task has. What registers can hold is followed from the few values that come from the machine;
/// what is loaded can be anything, and then an access may be of any cell of its region.
/// </summary>
internal sealed class CpuCodeAccesses
{
    private const int MostValues = 16;

    private readonly IReadOnlyList<MicroOp> _ops;
    private readonly CellMap _map;
    private readonly StaticAnalysis _analysis;
    private readonly ulong _cpu;
    private readonly ulong[] _tasks;

    // Before each operation, what each register can hold; null for anything. An operation that nothing reaches has no
    // entry.
    private readonly ulong[]?[]?[] _before;

    /// <summary>Follows the code of a CPU.</summary>
    /// <param name="system">The CPUs.</param>
    /// <param name="cpu">Which of them.</param>
    /// <param name="map">The cells.</param>
    /// <param name="analysis">What the code does wherever it runs.</param>
    public CpuCodeAccesses(CpuSystem system, int cpu, CellMap map, StaticAnalysis analysis)
    {
        ThreadCode code = system.CpuCode[cpu];
        _ops = code.Ops;
        _map = map;
        _analysis = analysis;
        _cpu = (ulong)cpu;
        _tasks =
        [
            .. system
                .Tasks.Index()
                .Where(entry => !entry.Item.Pinned || entry.Item.Cpu == cpu)
                .Select(entry => (ulong)entry.Index + 1),
        ];
        _before = new ulong[]?[]?[_ops.Count + 1];
        Follow(system, code.InitialRegisters.Count);
        for (int index = 0; index < _ops.Count; index++)
        {
            MicroOp op = _ops[index];
            if (_before[index] is ulong[]?[] registers && op.Kind is MicroOpKind.Load or MicroOpKind.Store)
            {
                ulong cells = CellsOf(op, registers);
                Reads |= op.Kind == MicroOpKind.Load ? cells : 0;
                Writes |= op.Kind == MicroOpKind.Store ? cells : 0;
            }
        }
    }

    /// <summary>Cells (<see cref="CellSpan.Mask"/>) that it may read.</summary>
    public ulong Reads { get; }

    /// <summary>Cells that it may write.</summary>
    public ulong Writes { get; }

    private void Follow(CpuSystem system, int registers)
    {
        var work = new Queue<int>();
        foreach (int entry in system.Entries)
        {
            var start = new ulong[]?[registers];
            if (entry == system.SwitchEntry)
            {
                start[system.PreviousRegister] = _tasks;
                start[system.NextRegister] = _tasks;
            }

            Join(entry, start, work);
        }

        while (work.TryDequeue(out int index))
        {
            if (index == _ops.Count)
            {
                continue;
            }

            MicroOp op = _ops[index];
            ulong[]?[] after = [.. _before[index]!];
            if (op.Destination >= 0)
            {
                after[op.Destination] = Result(op, after);
            }

            foreach (int next in _analysis.SuccessorsOf(index))
            {
                Join(next, after, work);
            }
        }
    }

    private ulong[]? Result(MicroOp op, ulong[]?[] registers) =>
        op.Kind switch
        {
            MicroOpKind.ReadCpu => [_cpu],
            MicroOpKind.ReadCurrent => _tasks,
            MicroOpKind.Compute
                when Values(op.A, registers) is ulong[] left && Values(op.B, registers) is ulong[] right => AtMost(
                left.SelectMany(a => right.Select(b => op.Function!(a, b)))
            ),
            _ => null,
        };

    private static ulong[]? Values(Operand operand, ulong[]?[] registers) =>
        operand.IsConstant ? [operand.Constant] : registers[operand.Register];

    private static ulong[]? AtMost(IEnumerable<ulong> values)
    {
        ulong[] distinct = [.. values.Distinct().Order()];
        return distinct.Length > MostValues ? null : distinct;
    }

    private void Join(int index, ulong[]?[] registers, Queue<int> work)
    {
        if (_before[index] is not ulong[]?[] known)
        {
            _before[index] = [.. registers];
            work.Enqueue(index);
            return;
        }

        bool changed = false;
        for (int register = 0; register < known.Length; register++)
        {
            if (
                known[register] is ulong[] values
                && (registers[register] is not ulong[] more || more.Except(values).Any())
            )
            {
                known[register] = registers[register] is ulong[] others ? AtMost(values.Concat(others)) : null;
                changed = true;
            }
        }

        if (changed)
        {
            work.Enqueue(index);
        }
    }

    // An address that is no cell belongs to a way that the code does not take: a task without an address space, say.
    private ulong CellsOf(MicroOp op, ulong[]?[] registers)
    {
        if (op.A.IsConstant || registers[op.A.Register] is not ulong[] addresses)
        {
            return _analysis.CellsOf(op);
        }

        ulong cells = 0;
        foreach (ulong address in addresses)
        {
            cells |= _map.TryFind(address, out int cell) ? new CellSpan(cell, 1).Mask : 0;
        }

        return cells;
    }
}
