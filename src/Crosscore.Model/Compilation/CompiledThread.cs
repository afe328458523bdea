using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Compilation;

/// <summary>
/// A thread made ready for packed states: every name is a field, every constant a number of the value table, every
/// constant address its cells.
/// </summary>
internal sealed class CompiledThread
{
    private readonly bool _isCpuCode;

    public CompiledThread(
        int id,
        ThreadCode code,
        StaticAnalysis analysis,
        CellMap map,
        StateLayout layout,
        ValueTable values,
        CpuSystem? system = null,
        ViewSizes views = default,
        bool isCpuCode = false,
        params IReadOnlyList<int> entries
    )
    {
        Id = id;
        _isCpuCode = isCpuCode;
        Analysis = analysis;
        End = code.Ops.Count;
        Pc = layout.Add(End);
        int[] allocation = RegisterAllocation.Fields(code, analysis, entries);
        BitField[] fields =
        [
            .. Enumerable
                .Range(0, allocation.DefaultIfEmpty(-1).Max() + 1)
                .Select(_ => layout.Add(values.LargestNumber)),
        ];
        Registers = Array.ConvertAll(allocation, field => fields[field]);
        ViewField[] viewFields = Array.ConvertAll(fields, _ => views.Add(layout));
        _views = Array.ConvertAll(allocation, field => viewFields[field]);

        // Registers that share a field are not alive together, so at most one of them has an initial value that
        // matters.
        InitialRegisters =
        [
            .. code.InitialRegisters.Select(
                (value, register) =>
                    (analysis.LiveRegisters[0] >> register & 1) != 0 || isCpuCode ? values.Number(value) : 0
            ),
        ];
        Ops = [.. code.Ops.Select((op, index) => Compile(op, index, map, values))];
        KeepLive = BuildKeepMasks();
        ShutsWindow = FindShuts(code.Ops, system);
    }

    // What each register depends on, where the core asks; otherwise fields without bits.
    private readonly ViewField[] _views;

    /// <summary>The views of the registers.</summary>
    public IReadOnlyList<ViewField> Views => _views;

    /// <summary>
    /// Whether the indivisible step that begins at an operation is one of a kernel; an instruction's halves say that
    /// they belong together.
    /// </summary>
    public bool IsKernelAtomic(int begin) => !LoadOfAtomic(begin).Order.HasFlag(AccessOrder.Atomic);

    /// <summary>
    /// Whether such a step orders everything, as all of a kernel do but the taking of a lock, which is an acquire load
    /// only.
    /// </summary>
    public bool IsFencedAtomic(int begin) =>
        IsKernelAtomic(begin) && !LoadOfAtomic(begin).Order.HasFlag(AccessOrder.Acquire);

    /// <summary>
    /// Whether an operation belongs to an instruction of user mode, or of a thread without a kernel, that has begun
    /// before it.
    /// </summary>
    public bool IsInsideInstruction(int index)
    {
        if (index == 0 || index == End)
        {
            return false;
        }

        CompiledOp before = Ops[index - 1];
        CompiledOp op = Ops[index];
        return op.Source >= 0
            && op.Source == before.Source
            && op.KernelLine == 0
            && before.KernelLine == 0
            && op.Kind != MicroOpKind.Jump;
    }

    private CompiledOp LoadOfAtomic(int begin) =>
        Ops[Array.FindIndex(Ops, begin, op => op.Kind is MicroOpKind.Load or MicroOpKind.AtomicEnd)];

    public int Id { get; }

    /// <summary>The value of <see cref="Pc"/> that means halted.</summary>
    public int End { get; }

    public BitField Pc { get; }

    public BitField[] Registers { get; }

    public int[] InitialRegisters { get; }

    public CompiledOp[] Ops { get; }

    public StaticAnalysis Analysis { get; }

    /// <summary>
    /// For each operation, whether an interrupt or a switch that may come before it may not come after it, or does
    /// something else there.
    /// </summary>
    public bool[] ShutsWindow { get; }

    /// <summary>For each operation, the words that hold registers and which of their bits still matter there.</summary>
    public (int Word, ulong Mask)[][] KeepLive { get; }

    private CompiledOp Compile(MicroOp op, int index, CellMap map, ValueTable values)
    {
        ulong reads = 0;
        ulong writes = 0;
        if (op.Kind == MicroOpKind.AtomicBegin)
        {
            (reads, writes) = Analysis.CellsOfAtomic(index);
        }
        else if (op.Width != 0)
        {
            reads = op.Kind is MicroOpKind.Load or MicroOpKind.Fetch ? Analysis.CellsOf(op) : 0;
            writes = op.Kind == MicroOpKind.Store ? Analysis.CellsOf(op) : 0;
        }

        return new CompiledOp
        {
            Kind = op.Kind,
            Thread = _isCpuCode ? -1 : Id,
            Destination = op.Destination < 0 ? default : Registers[op.Destination],
            A = Compile(op.A, values),
            B = Compile(op.B, values),
            Function = op.Function,
            Width = op.Width,
            Target = op.Target,
            Source = op.Source,
            KernelLine = op.KernelLine,
            Context = op.Context,
            ThroughAlias = op.ThroughAlias,
            Order = op.Order,
            Fence = op.Fence,
            IsPredicate = op.IsPredicate,
            DecidesAtomic =
                op is { Kind: MicroOpKind.Branch, IsPredicate: true }
                && index + 1 < End
                && Analysis.IsAtomicStore(index + 1),
            DestinationView = op.Destination < 0 ? default : _views[op.Destination],
            AView = ViewOf(op.A),
            BView = ViewOf(op.B),
            PickView = ViewOf(op.Pick),
            DataView = ViewOf(op.Data ?? op.B),
            Span = op.Width != 0 && op.A.IsConstant ? map.Find(op.A.Constant, op.Width) : default,
            Reads = reads,
            Writes = writes,
        };
    }

    // Only the code of tasks is interrupted.
    private bool[] FindShuts(IReadOnlyList<MicroOp> ops, CpuSystem? system)
    {
        if (system is null)
        {
            return new bool[ops.Count];
        }

        OpContext end = system.Tasks[Id].IsKernelThread ? OpContext.Kernel | OpContext.ReschedulePoint : OpContext.User;
        OpContext At(int index) => index < ops.Count ? ops[index].Context : end;
        bool Takes(OpContext context) => !context.HasFlag(OpContext.InterruptsOff);
        bool Switches(OpContext context) =>
            system.Schedules
            && Takes(context)
            && !context.HasFlag(OpContext.PreemptionOff)
            && (!context.HasFlag(OpContext.Kernel) || context.HasFlag(OpContext.ReschedulePoint) || system.Preemptible);
        bool Shuts(OpContext before, OpContext after) =>
            (Takes(before) && !Takes(after))
            || (Switches(before) && !Switches(after))
            // A task that is switched out where the kernel asks itself comes back without returning from an interrupt;
            // elsewhere it comes back by one, which may serialize. So the two are different windows. Test:
            // litmus/kernel/ScenarioC.FromSystemCall.NoBarriers.litmus.
            || (before.HasFlag(OpContext.ReschedulePoint) && !after.HasFlag(OpContext.ReschedulePoint))
            // So are user mode and the kernel where the ways back to them differ.
            // Test: Designs/CallEntryTests.An_interrupt_directly_before_a_call_returns_to_user_mode.
            || (system.UserReturnDiffers && !before.HasFlag(OpContext.Kernel) && after.HasFlag(OpContext.Kernel));
        bool ShutsBehind(int index) => Analysis.SuccessorsOf(index).Any(next => Shuts(At(index), At(next)));
        return
        [
            .. Enumerable.Range(0, ops.Count).Select(index => ShutsBehind(index) || Analysis.IsSeenByRestart(index)),
        ];
    }

    private ViewField ViewOf(Operand operand) => operand.IsConstant ? default : _views[operand.Register];

    private CompiledOperand Compile(Operand operand, ValueTable values) =>
        operand.IsConstant
            ? new CompiledOperand(values.Number(operand.Constant), default)
            : new CompiledOperand(-1, Registers[operand.Register]);

    private (int Word, ulong Mask)[][] BuildKeepMasks()
    {
        var masks = new (int, ulong)[End + 1][];
        for (int index = 0; index <= End; index++)
        {
            // A field is dead when all of its registers are.
            var dead = new Dictionary<int, ulong>();
            var keep = new Dictionary<int, ulong>();
            for (int register = 0; register < Registers.Length; register++)
            {
                bool live = (Analysis.LiveRegisters[index] >> register & 1) != 0;
                foreach (
                    BitField field in (ReadOnlySpan<BitField>)
                        [Registers[register], _views[register].Read, _views[register].Write]
                )
                {
                    ulong bits = field.Mask << field.Shift;
                    dead[field.Word] = dead.GetValueOrDefault(field.Word) | bits;
                    keep[field.Word] = keep.GetValueOrDefault(field.Word) | (live ? bits : 0);
                }
            }

            masks[index] =
            [
                .. dead.Where(entry => (entry.Value & ~keep[entry.Key]) != 0)
                    .Select(entry => (entry.Key, ~(entry.Value & ~keep[entry.Key]))),
            ];
        }

        return masks;
    }
}

/// <summary>
/// An operand: the number of a constant, or the field of a register when <paramref name="Constant"/> is negative.
/// </summary>
internal readonly record struct CompiledOperand(int Constant, BitField Register)
{
    public bool IsConstant => Constant >= 0;

    public int Get(ReadOnlySpan<ulong> state) => Constant >= 0 ? Constant : Register.Get(state);
}

/// <summary>A micro-operation made ready.</summary>
internal sealed class CompiledOp
{
    private readonly MicroOpKind _kind;

    public required MicroOpKind Kind
    {
        get => _kind;
        init => (_kind, IsOfKernel) = (value, IsExecutedByKernel(value));
    }

    /// <summary>
    /// Gets whether the machine executes it: what a kernel and its scheduler do, and jumps. All others are operations
    /// of the core, on memory and registers. Every step asks, so it is computed once.
    /// </summary>
    public bool IsOfKernel { get; private init; }

    /// <summary>The thread that it belongs to; -1 for the code of a CPU.</summary>
    public required int Thread { get; init; }

    public required BitField Destination { get; init; }

    public required CompiledOperand A { get; init; }

    public required CompiledOperand B { get; init; }

    public required ValueFunction? Function { get; init; }

    public required int Width { get; init; }

    public required int Target { get; init; }

    public required int Source { get; init; }

    public required int KernelLine { get; init; }

    public required OpContext Context { get; init; }

    public required bool ThroughAlias { get; init; }

    public required AccessOrder Order { get; init; }

    public required FenceKind Fence { get; init; }

    public required bool IsPredicate { get; init; }

    /// <summary>Whether this branch leaves out the store of a compare-and-swap.</summary>
    public required bool DecidesAtomic { get; init; }

    public required ViewField DestinationView { get; init; }

    public required ViewField AView { get; init; }

    public required ViewField BView { get; init; }

    public required ViewField PickView { get; init; }

    public required ViewField DataView { get; init; }

    /// <summary>The cells of a constant address.</summary>
    public required CellSpan Span { get; init; }

    /// <summary>
    /// Cells (<see cref="CellSpan.Mask"/>) that this operation, or the indivisible step that it begins, reads.
    /// </summary>
    public required ulong Reads { get; init; }

    /// <summary>Cells that it writes.</summary>
    public required ulong Writes { get; init; }

    private static bool IsExecutedByKernel(MicroOpKind kind) =>
        kind
            is MicroOpKind.Jump
                or MicroOpKind.RequestFences
                or MicroOpKind.AwaitFences
                or MicroOpKind.Halt
                or MicroOpKind.ReadCpu
                or MicroOpKind.ReadCurrent
                or MicroOpKind.SendIpi
                or MicroOpKind.AwaitIpi
                or MicroOpKind.SwitchTo
                or MicroOpKind.Sleep
                or MicroOpKind.EndInterrupt
                or MicroOpKind.ReturnFromInterrupt
                or MicroOpKind.EndSwitch
                or MicroOpKind.MarkRestart
                or MicroOpKind.ArmSection;
}
