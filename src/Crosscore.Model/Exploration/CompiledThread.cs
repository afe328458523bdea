using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// A thread made ready for packed states: every name is a field, every constant a number of the value table, every constant address its cells.
/// </summary>
internal sealed class CompiledThread
{
    public CompiledThread(int id, ThreadCode code, StaticAnalysis analysis, CellMap map, StateLayout layout, ValueTable values)
    {
        Id = id;
        Analysis = analysis;
        End = code.Ops.Count;
        Pc = layout.Add(End);
        Registers = new BitField[code.InitialRegisters.Count];
        for (int register = 0; register < Registers.Length; register++)
        {
            Registers[register] = layout.Add(values.LargestNumber);
        }

        InitialRegisters = [.. code.InitialRegisters.Select(values.Number)];
        Ops = [.. code.Ops.Select((op, index) => Compile(op, index, map, values))];
        KeepLive = BuildKeepMasks();
    }

    public int Id { get; }

    /// <summary>The value of <see cref="Pc"/> that means halted.</summary>
    public int End { get; }

    public BitField Pc { get; }

    public BitField[] Registers { get; }

    public int[] InitialRegisters { get; }

    public CompiledOp[] Ops { get; }

    public StaticAnalysis Analysis { get; }

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
            reads = op.Kind == MicroOpKind.Load ? Analysis.CellsOf(op) : 0;
            writes = op.Kind == MicroOpKind.Store ? Analysis.CellsOf(op) : 0;
        }

        return new CompiledOp
        {
            Kind = op.Kind,
            Destination = op.Destination < 0 ? default : Registers[op.Destination],
            A = Compile(op.A, values),
            B = Compile(op.B, values),
            Function = op.Function,
            Width = op.Width,
            Target = op.Target,
            Source = op.Source,
            Span = op.Width != 0 && op.A.IsConstant ? map.Find(op.A.Constant, op.Width) : default,
            Reads = reads,
            Writes = writes,
        };
    }

    private CompiledOperand Compile(Operand operand, ValueTable values) => operand.IsConstant
        ? new CompiledOperand(values.Number(operand.Constant), default)
        : new CompiledOperand(-1, Registers[operand.Register]);

    private (int Word, ulong Mask)[][] BuildKeepMasks()
    {
        var masks = new (int, ulong)[End + 1][];
        for (int index = 0; index <= End; index++)
        {
            var clear = new Dictionary<int, ulong>();
            for (int register = 0; register < Registers.Length; register++)
            {
                BitField field = Registers[register];
                if ((Analysis.LiveRegisters[index] >> register & 1) == 0)
                {
                    clear[field.Word] = clear.GetValueOrDefault(field.Word) | (field.Mask << field.Shift);
                }
            }

            masks[index] = [.. clear.Select(entry => (entry.Key, ~entry.Value))];
        }

        return masks;
    }
}

/// <summary>An operand: the number of a constant, or the field of a register when <paramref name="Constant"/> is negative.</summary>
internal readonly record struct CompiledOperand(int Constant, BitField Register)
{
    public bool IsConstant => Constant >= 0;

    public int Get(ReadOnlySpan<ulong> state) => Constant >= 0 ? Constant : Register.Get(state);
}

/// <summary>A micro-operation made ready.</summary>
internal sealed class CompiledOp
{
    public required MicroOpKind Kind { get; init; }

    public required BitField Destination { get; init; }

    public required CompiledOperand A { get; init; }

    public required CompiledOperand B { get; init; }

    public required ValueFunction? Function { get; init; }

    public required int Width { get; init; }

    public required int Target { get; init; }

    public required int Source { get; init; }

    /// <summary>The cells of a constant address.</summary>
    public required CellSpan Span { get; init; }

    /// <summary>Cells (<see cref="CellSpan.Mask"/>) that this operation, or the indivisible step that it begins, reads.</summary>
    public required ulong Reads { get; init; }

    /// <summary>Cells that it writes.</summary>
    public required ulong Writes { get; init; }
}
