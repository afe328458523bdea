using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>A column being read: instructions and labels, and those of its fault handler.</summary>
internal abstract class Column(int id, LitmusScanner scanner)
{
    private readonly Dictionary<string, int> _labels = [];
    private readonly Dictionary<string, int> _handlerLabels = [];

    /// <summary>Gets its number, 0 for P0.</summary>
    public int Id { get; } = id;

    /// <summary>Whether it has a fault handler.</summary>
    public bool HasHandler { get; set; }

    /// <summary>Gets how many instructions have been read, without the handler's.</summary>
    protected abstract int Length { get; }

    /// <summary>Gets how many instructions of the handler have been read.</summary>
    protected abstract int HandlerLength { get; }

    /// <summary>Gets the text.</summary>
    protected LitmusScanner Scanner { get; } = scanner;

    // The end of the column, which precedes the handler, is an instruction.
    private int HandlerStart => Length + 1;

    /// <summary>Reads one instruction.</summary>
    /// <param name="inHandler">Whether it stands in the column of the fault handler.</param>
    public abstract void ReadInstruction(bool inHandler);

    /// <summary>Notes how wide the accesses are whose location only the initial registers tell.</summary>
    /// <param name="state">The initial state.</param>
    public virtual void NoteAccesses(InitialState state) { }

    /// <summary>Finds a label.</summary>
    /// <param name="label">The label.</param>
    /// <returns>The index of the instruction that it stands before; <see langword="null"/> without one.</returns>
    public int? Find(string label) =>
        _labels.TryGetValue(label, out int index) ? index
        : _handlerLabels.TryGetValue(label, out index) ? HandlerStart + index
        : null;

    /// <summary>Notes a label before the next instruction.</summary>
    /// <param name="label">The label.</param>
    /// <param name="inHandler">Whether it stands in the column of the fault handler.</param>
    public void AddLabel(Token label, bool inHandler)
    {
        bool isNew =
            Find(label.Text) is null
            && (inHandler ? _handlerLabels.TryAdd(label.Text, HandlerLength) : _labels.TryAdd(label.Text, Length));
        if (!isNew)
        {
            throw Scanner.Error(label.Position, $"found the label {label.Text} a second time in column P{Id}");
        }
    }

    /// <summary>Builds the thread when everything has been read.</summary>
    /// <param name="registers">Its initial registers.</param>
    /// <exception cref="LitmusException">An instruction names a label that the column does not have.</exception>
    public LitmusThread Build(IReadOnlyDictionary<TestRegister, InitialValue> registers)
    {
        Dictionary<string, int> labels = _labels
            .Concat(_handlerLabels.Select(label => KeyValuePair.Create(label.Key, HandlerStart + label.Value)))
            .ToDictionary();
        Check(labels);
        return new LitmusThread
        {
            Id = Id,
            InitialRegisters = registers,
            Instructions = ToInstructions(),
            Handler = HasHandler ? HandlerStart : -1,
            Labels = labels,
        };
    }

    /// <summary>Checks that the instructions fit together.</summary>
    /// <param name="labels">The labels, with the indexes that they stand before.</param>
    protected abstract void Check(IReadOnlyDictionary<string, int> labels);

    /// <summary>Gets all instructions: the column's and, after its end, the handler's.</summary>
    protected abstract IReadOnlyList<ITestInstruction> ToInstructions();
}

/// <summary>A column of one instruction set.</summary>
/// <typeparam name="TInstruction">The type of its instructions.</typeparam>
/// <param name="id">Its number.</param>
/// <param name="scanner">The text.</param>
/// <param name="end">The end of a column that a fault handler follows.</param>
internal abstract class Column<TInstruction>(int id, LitmusScanner scanner, TInstruction? end) : Column(id, scanner)
    where TInstruction : class, ITestInstruction
{
    private readonly List<TInstruction> _instructions = [];
    private readonly List<TInstruction> _handler = [];

    protected override int Length => _instructions.Count;

    protected override int HandlerLength => _handler.Count;

    /// <summary>Gets the instructions that have been read.</summary>
    protected IReadOnlyList<TInstruction> Instructions =>
        HasHandler ? [.. _instructions, end!, .. _handler] : _instructions;

    public override void ReadInstruction(bool inHandler) => (inHandler ? _handler : _instructions).Add(Parse());

    protected abstract TInstruction Parse();

    // An array of the instruction set's own type, so that its folder gets it back without a copy.
    protected override IReadOnlyList<ITestInstruction> ToInstructions() => Instructions.ToArray();
}

/// <summary>Gets the instructions of a column as those of one instruction set.</summary>
internal static class ColumnInstructions
{
    public static IReadOnlyList<TInstruction> InstructionsAs<TInstruction>(this LitmusThread thread)
        where TInstruction : class, ITestInstruction =>
        thread.Instructions as IReadOnlyList<TInstruction> ?? [.. thread.Instructions.Cast<TInstruction>()];
}
