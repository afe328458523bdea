using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Compilation;

/// <summary>
/// What a thread may still do from each of its operations on, whatever path it takes: computed once,
/// over-approximating, and the ground on which the reductions stand. Index <c>Ops.Count</c> is the halted thread.
/// </summary>
internal sealed class StaticAnalysis
{
    private readonly IReadOnlyList<MicroOp> _ops;
    private readonly CellMap _map;
    private readonly int _thread;
    private readonly IReadOnlyList<RestartableSection> _sections;

    // Registers that the code never writes, and what they hold. The code of CPUs is given registers from outside.
    private readonly Dictionary<int, ulong> _fixedRegisters;

    public StaticAnalysis(ThreadCode code, CellMap map, IEnumerable<int> observedRegisters, int thread = -1)
    {
        _ops = code.Ops;
        _map = map;
        _thread = thread;
        if (code.InitialRegisters.Count > 64)
        {
            throw new ModelException(
                $"A thread uses {code.InitialRegisters.Count} registers; the model has room for 64."
            )
            {
                Thread = thread,
            };
        }

        _fixedRegisters =
            thread < 0
                ? []
                : Enumerable
                    .Range(0, code.InitialRegisters.Count)
                    .Where(register => _ops.All(op => op.Destination != register))
                    .ToDictionary(register => register, register => code.InitialRegisters[register]);
        FutureReads = new ulong[_ops.Count + 1];
        FutureWrites = new ulong[_ops.Count + 1];
        MayRequestFences = new bool[_ops.Count + 1];
        MaySendInterrupts = new bool[_ops.Count + 1];
        MayCleanCode = new bool[_ops.Count + 1];
        LiveRegisters = new ulong[_ops.Count + 1];
        InsideInstruction = FindInside();
        SectionAt = new int[_ops.Count + 1];
        Array.Fill(SectionAt, -1);
        for (int section = 0; section < code.Sections.Count; section++)
        {
            Array.Fill(
                SectionAt,
                section,
                code.Sections[section].First,
                code.Sections[section].End - code.Sections[section].First
            );
        }

        _sections = code.Sections;
        foreach (int register in observedRegisters)
        {
            LiveRegisters[_ops.Count] |= 1UL << register;
        }

        SolveBackwards();
    }

    /// <summary>Cells (<see cref="CellSpan.Mask"/>) that the thread may read from here on.</summary>
    public ulong[] FutureReads { get; }

    /// <summary>Cells that the thread may write from here on; stores that wait already are not counted.</summary>
    public ulong[] FutureWrites { get; }

    /// <summary>Whether the thread may demand a fence of others, or await one, from here on.</summary>
    public bool[] MayRequestFences { get; }

    /// <summary>Whether the thread may interrupt other CPUs from here on.</summary>
    public bool[] MaySendInterrupts { get; }

    /// <summary>Whether the thread may clean code from here on.</summary>
    public bool[] MayCleanCode { get; }

    /// <summary>
    /// Whether the thread has done the load, and not yet the store, of one instruction that does both without being
    /// indivisible. The fences that others demand fall between instructions, so not here: an interrupt comes before
    /// such an instruction or after it.
    /// </summary>
    public bool[] InsideInstruction { get; }

    /// <summary>
    /// Whether some operation goes back to itself or an earlier one, so that the code may loop forever.
    /// </summary>
    public bool HasLoops =>
        Enumerable.Range(0, _ops.Count).Any(index => SuccessorsOf(index).Any(next => next <= index));

    /// <summary>The section that each operation lies in; -1 for none.</summary>
    public int[] SectionAt { get; }

    /// <summary>
    /// Whether a restart can tell whether it comes before an operation or after it: the operation names a section,
    /// enters or leaves one, or changes what a restart resumes with.
    /// </summary>
    public bool IsSeenByRestart(int index)
    {
        MicroOp op = _ops[index];
        return op.Kind == MicroOpKind.ArmSection
            || SuccessorsOf(index).Any(next => SectionAt[next] != SectionAt[index])
            || (
                SectionAt[index] >= 0
                && (
                    op.Kind == MicroOpKind.AtomicBegin
                    || (op.Destination >= 0 && (LiveRegisters[AbortOf(index)] >> op.Destination & 1) != 0)
                )
            );
    }

    private int AbortOf(int index) => _sections[SectionAt[index]].Abort;

    /// <summary>Registers whose value can still matter, to the code or to the final state.</summary>
    public ulong[] LiveRegisters { get; }

    /// <summary>The cells that one operation names.</summary>
    public ulong CellsOf(MicroOp op)
    {
        // An address that a register holds from the start to the end is as good as a constant; of what code outside of
        // memory holds the map knows nothing.
        bool known =
            op.A.IsConstant
            || (_fixedRegisters.TryGetValue(op.A.Register, out ulong held) && _map.TryFind(held, out _));
        if (!known)
        {
            return op.Region is null ? _map.AddressTakenMask : _map.MaskOf(op.Region);
        }

        try
        {
            return _map.Find(op.A.IsConstant ? op.A.Constant : _fixedRegisters[op.A.Register], op.Width).Mask;
        }
        catch (ModelException problem)
        {
            throw problem.At(_thread, op.Source);
        }
    }

    /// <summary>Whether an operation is the store of an indivisible instruction.</summary>
    public bool IsAtomicStore(int index) =>
        _ops[index].Kind == MicroOpKind.Store && _ops[index].Order.HasFlag(AccessOrder.Atomic);

    /// <summary>What an indivisible step that begins at an operation reads and writes.</summary>
    public (ulong Reads, ulong Writes) CellsOfAtomic(int begin)
    {
        ulong reads = 0;
        ulong writes = 0;
        for (int index = begin + 1; _ops[index].Kind != MicroOpKind.AtomicEnd; index++)
        {
            reads |= _ops[index].Kind == MicroOpKind.Load ? CellsOf(_ops[index]) : 0;
            writes |= _ops[index].Kind == MicroOpKind.Store ? CellsOf(_ops[index]) : 0;
        }

        return (reads, writes);
    }

    /// <summary>
    /// The largest number of stores that can wait at once, if nothing reaches memory by itself: <see langword="null"/>
    /// when a loop stores without ever passing a fence, so that there is no largest number, or when it exceeds the
    /// limit.
    /// </summary>
    public int? MostWaitingStores(int limit, params ReadOnlySpan<int> entries) => Most(limit, waiting: true, entries);

    /// <summary>
    /// The largest number of writes to memory, and of maintenance of caches, that the thread can make;
    /// <see langword="null"/> as above.
    /// </summary>
    public int? MostWrites(int limit) => Most(limit, waiting: false);

    private int? Most(int limit, bool waiting, params ReadOnlySpan<int> entries)
    {
        int[] before = new int[_ops.Count + 1];
        Array.Fill(before, -1);
        before[0] = 0;
        foreach (int entry in entries)
        {
            before[entry] = 0;
        }

        int most = 0;
        bool changed = true;
        while (changed)
        {
            changed = false;
            bool atomic = false;
            for (int index = 0; index < _ops.Count; index++)
            {
                MicroOpKind kind = _ops[index].Kind;
                atomic = kind == MicroOpKind.AtomicBegin || (atomic && kind != MicroOpKind.AtomicEnd);
                if (before[index] < 0)
                {
                    continue;
                }

                int after = before[index];
                after =
                    waiting && kind is (MicroOpKind.Fence or MicroOpKind.AtomicBegin or MicroOpKind.Serialize)
                        ? 0
                        : after;
                bool counts = waiting ? kind == MicroOpKind.Store && !atomic : IsWrite(kind);
                after += counts ? 1 : 0;
                if (after > limit)
                {
                    return null;
                }

                most = Math.Max(most, after);
                if (SectionAt[index] >= 0 && before[AbortOf(index)] < before[index])
                {
                    before[AbortOf(index)] = before[index];
                    changed = true;
                }

                foreach (int successor in SuccessorsOf(index))
                {
                    if (before[successor] < after)
                    {
                        before[successor] = after;
                        changed = true;
                    }
                }
            }
        }

        return most;
    }

    private static bool IsWrite(MicroOpKind kind) =>
        kind
            is MicroOpKind.Store
                or MicroOpKind.CleanCode
                or MicroOpKind.InvalidateCode
                or MicroOpKind.InvalidateTranslation
                or MicroOpKind.CompleteInvalidation;

    /// <summary>
    /// The most loads of some cells that the thread can still make, for each of its operations; past a limit as many as
    /// it says.
    /// </summary>
    /// <param name="cells">The cells (<see cref="CellSpan.Mask"/>).</param>
    /// <param name="limit">The limit, which a loop with such a load reaches.</param>
    public int[] MostLoads(ulong cells, int limit)
    {
        int[] most = new int[_ops.Count + 1];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int index = _ops.Count - 1; index >= 0; index--)
            {
                int after = SuccessorsOf(index)
                    .Append(SectionAt[index] >= 0 ? AbortOf(index) : _ops.Count)
                    .Max(next => most[next]);
                bool loads =
                    _ops[index].Kind is MicroOpKind.Load or MicroOpKind.Fetch && (CellsOf(_ops[index]) & cells) != 0;
                int loadsFromHere = Math.Min(limit, after + (loads ? 1 : 0));
                changed |= loadsFromHere != most[index];
                most[index] = loadsFromHere;
            }
        }

        return most;
    }

    private bool[] FindInside()
    {
        bool[] inside = new bool[_ops.Count + 1];
        int load = -1;
        for (int index = 0; index < _ops.Count; index++)
        {
            MicroOp op = _ops[index];
            load = op.Kind switch
            {
                MicroOpKind.Load => index,
                MicroOpKind.AtomicBegin or MicroOpKind.AtomicEnd => -1,
                _ => load,
            };
            if (
                op.Kind == MicroOpKind.Store
                && load >= 0
                && op.Source >= 0
                && _ops[load].Source == op.Source
                && op.Context == OpContext.User
            )
            {
                Array.Fill(inside, true, load + 1, index - load);
            }
        }

        return inside;
    }

    /// <summary>The operations that may come right after one; <c>Ops.Count</c> is the end.</summary>
    public IEnumerable<int> SuccessorsOf(int index)
    {
        MicroOp op = _ops[index];
        if (op.Kind is MicroOpKind.Branch or MicroOpKind.Jump)
        {
            yield return op.Target;
        }

        if (
            op.Kind
            is MicroOpKind.Halt
                or MicroOpKind.EndInterrupt
                or MicroOpKind.EndSwitch
                or MicroOpKind.ReturnFromInterrupt
        )
        {
            yield return _ops.Count;
        }
        else if (op.Kind != MicroOpKind.Jump)
        {
            yield return index + 1;
        }
    }

    // All six are unions over the paths that leave an operation, so one fixed point serves.
    private void SolveBackwards()
    {
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int index = _ops.Count - 1; index >= 0; index--)
            {
                changed |= Solve(index);
            }
        }
    }

    private bool Solve(int index)
    {
        MicroOp op = _ops[index];
        ulong reads = op.Kind switch
        {
            MicroOpKind.Load or MicroOpKind.Fetch => CellsOf(op),
            MicroOpKind.Translate => _map.TablesMask,
            _ => 0,
        };
        ulong writes = op.Kind == MicroOpKind.Store ? CellsOf(op) : 0;
        bool requests = op.Kind is MicroOpKind.RequestFences or MicroOpKind.AwaitFences;
        bool sends = op.Kind == MicroOpKind.SendIpi;
        bool cleans = op.Kind == MicroOpKind.CleanCode;
        ulong live = 0;
        foreach (int successor in SuccessorsOf(index))
        {
            reads |= FutureReads[successor];
            writes |= FutureWrites[successor];
            requests |= MayRequestFences[successor];
            sends |= MaySendInterrupts[successor];
            cleans |= MayCleanCode[successor];
            live |= LiveRegisters[successor];
        }

        live &= op.Destination < 0 ? ulong.MaxValue : ~(1UL << op.Destination);
        live |= Uses(op.A) | Uses(op.B) | Uses(op.Pick) | Uses(op.Data ?? default);
        if (SectionAt[index] >= 0)
        {
            // Before any operation of a section the thread may find itself at the section's abort.
            int abort = AbortOf(index);
            reads |= FutureReads[abort];
            writes |= FutureWrites[abort];
            requests |= MayRequestFences[abort];
            sends |= MaySendInterrupts[abort];
            cleans |= MayCleanCode[abort];
            live |= LiveRegisters[abort];
        }

        bool changed =
            reads != FutureReads[index]
            || writes != FutureWrites[index]
            || requests != MayRequestFences[index]
            || sends != MaySendInterrupts[index]
            || cleans != MayCleanCode[index]
            || live != LiveRegisters[index];
        FutureReads[index] = reads;
        FutureWrites[index] = writes;
        MayRequestFences[index] = requests;
        MaySendInterrupts[index] = sends;
        MayCleanCode[index] = cleans;
        LiveRegisters[index] = live;
        return changed;
    }

    // An operand that an operation does not use is the constant 0.
    private static ulong Uses(Operand operand) => operand.IsConstant ? 0 : 1UL << operand.Register;
}
