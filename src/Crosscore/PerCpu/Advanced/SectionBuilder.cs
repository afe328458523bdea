using static Crosscore.PerCpu.SectionOperation;

namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// Writes a custom section, step by step: loads from the slot of the CPU, comparisons that leave, stores that do not
/// matter yet, and at the end exactly one commit. Between the first step and the commit no other thread touches the
/// slot: if anything comes between, the kernel sends the thread back to the first step.
/// </summary>
/// <remarks>
/// <para>So a step before the commit may happen any number of times, and part of the steps may happen without the rest.
/// Store only what no thread reads before the commit: places in the slot that the committed word makes valid, or memory
/// that an argument points to and that is still your own.</para>
/// <para>What cannot be a section is refused where it is written, with the reason: two commits, a step after the
/// commit, none at all, an offset outside the slot, a word that is not aligned, a store through a pointer that was
/// loaded, more values than registers, too many steps. A call, a system call, a loop or an allocation is no step: the
/// kernel forbids the first two inside a section, and a thread in a section does not stop for the garbage
/// collector.</para>
/// <para>Offsets are bytes in the user's part of the slot; words have 64 bits. Not safe for several threads. Get one
/// from <see cref="PerCpuArea.NewSection"/>.</para>
/// </remarks>
public sealed class SectionBuilder
{
    /// <summary>
    /// The maximum number of steps of a section. It should be a few nanoseconds long: one that is interrupted more
    /// often than it lasts never ends.
    /// </summary>
    public const int MaxSteps = 64;

    /// <summary>The maximum number of bytes that all copying steps of a section move together.</summary>
    public const int MaxCopiedBytes = 4096;

    private readonly SlotShape _shape;
    private readonly List<SectionStep> _steps = [];
    private int _arguments;
    private int _values = SectionProgram.MaxArguments;
    private int _copied;
    private int _result = SectionStep.None;

    internal SectionBuilder(SlotShape shape) => _shape = shape;

    private bool IsCommitted => _steps.Count > 0 && _steps[^1].IsCommit;

    /// <summary>Returns an argument of <see cref="PerCpuSection.Run"/>.</summary>
    /// <param name="index">0 to 3.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are four.</exception>
    public SectionValue Argument(int index)
    {
        if (index is < 0 or >= SectionProgram.MaxArguments)
        {
            throw new ArgumentOutOfRangeException(
                nameof(index),
                index,
                $"A section has {SectionProgram.MaxArguments} arguments, 0 to {SectionProgram.MaxArguments - 1}."
            );
        }

        _arguments = Math.Max(_arguments, index + 1);
        return new SectionValue(this, index);
    }

    /// <summary>Returns a number as a value.</summary>
    /// <param name="number">Any.</param>
    public SectionValue Constant(long number) => Make(SectionOperation.Constant, number: number);

    /// <summary>
    /// Returns the index of the slot the section works on: the CPU, or the concurrency id, or the last index for
    /// threads that have neither.
    /// </summary>
    public SectionValue ThisSlot() => Make(SectionOperation.ThisSlot);

    /// <summary>Loads the word at an offset of the slot.</summary>
    /// <param name="offset">In bytes, a multiple of 8.</param>
    public SectionValue Load(int offset) => Make(SectionOperation.Load, number: Word(offset));

    /// <summary>
    /// Loads the word at a computed offset of the slot. If the offset lies outside, the section leaves and
    /// <see cref="PerCpuSection.Run"/> throws.
    /// </summary>
    /// <param name="offset">In bytes.</param>
    /// <param name="plus">Added to it; 0 or more.</param>
    public SectionValue LoadAt(SectionValue offset, int plus = 0) =>
        Make(SectionOperation.LoadAt, offset, number: Within(plus, sizeof(long)), bytes: sizeof(long));

    /// <summary>
    /// Loads the word behind a pointer. Caller must: know that it can be read for as long as the slot's state leads
    /// there.
    /// </summary>
    /// <param name="pointer">An address.</param>
    /// <param name="offset">Added to it, in bytes.</param>
    public SectionValue LoadFrom(SectionValue pointer, int offset = 0) =>
        Make(SectionOperation.LoadFrom, pointer, number: offset);

    /// <summary>Computes a sum; it wraps.</summary>
    /// <param name="left">A value.</param>
    /// <param name="right">Another.</param>
    public SectionValue Add(SectionValue left, SectionValue right) => Make(SectionOperation.Add, left, right);

    /// <summary>Computes the sum with a number; it wraps.</summary>
    /// <param name="value">A value.</param>
    /// <param name="number">May be negative.</param>
    public SectionValue Add(SectionValue value, int number) => Make(AddNumber, value, number: number);

    /// <summary>Computes a difference; it wraps.</summary>
    /// <param name="left">A value.</param>
    /// <param name="right">What is taken away from it.</param>
    public SectionValue Subtract(SectionValue left, SectionValue right) => Make(SectionOperation.Subtract, left, right);

    /// <summary>Replaces a value that equals the limit by 0: the next place in a ring.</summary>
    /// <param name="value">A value.</param>
    /// <param name="limit">Where the ring starts over.</param>
    public SectionValue WrapAt(SectionValue value, int limit) => Make(SectionOperation.WrapAt, value, number: limit);

    /// <summary>Leaves without commit when the two are equal.</summary>
    /// <param name="left">A value.</param>
    /// <param name="right">Another.</param>
    /// <param name="code">What <see cref="SectionResult.Code"/> will be; 1 or more.</param>
    public void LeaveIfEqual(SectionValue left, SectionValue right, int code) =>
        Leave(SectionOperation.LeaveIfEqual, left, right, 0, code);

    /// <inheritdoc cref="LeaveIfEqual(SectionValue, SectionValue, int)"/>
    public void LeaveIfEqual(SectionValue left, int right, int code) => Leave(LeaveIfNumber, left, null, right, code);

    /// <summary>Leaves without commit when the two differ.</summary>
    /// <param name="left">A value.</param>
    /// <param name="right">Another.</param>
    /// <param name="code">What <see cref="SectionResult.Code"/> will be; 1 or more.</param>
    public void LeaveIfNotEqual(SectionValue left, SectionValue right, int code) =>
        Leave(SectionOperation.LeaveIfNotEqual, left, right, 0, code);

    /// <inheritdoc cref="LeaveIfNotEqual(SectionValue, SectionValue, int)"/>
    public void LeaveIfNotEqual(SectionValue left, int right, int code) =>
        Leave(LeaveIfNotNumber, left, null, right, code);

    /// <summary>Leaves without commit when the first is not below the second, both taken without sign.</summary>
    /// <param name="left">A value.</param>
    /// <param name="right">The limit.</param>
    /// <param name="code">What <see cref="SectionResult.Code"/> will be; 1 or more.</param>
    public void LeaveIfAtLeast(SectionValue left, SectionValue right, int code) =>
        Leave(SectionOperation.LeaveIfAtLeast, left, right, 0, code);

    /// <summary>Stores to the slot before the commit. No thread may look there until the commit says so.</summary>
    /// <param name="offset">In bytes, a multiple of 8.</param>
    /// <param name="value">What.</param>
    public void Store(int offset, SectionValue value) => Step(SectionOperation.Store, value, number: Word(offset));

    /// <summary>
    /// Stores at a computed offset of the slot. If it lies outside, the section leaves and
    /// <see cref="PerCpuSection.Run"/> throws.
    /// </summary>
    /// <param name="offset">In bytes.</param>
    /// <param name="value">What.</param>
    /// <param name="plus">Added to the offset; 0 or more.</param>
    public void StoreAt(SectionValue offset, SectionValue value, int plus = 0) =>
        Step(SectionOperation.StoreAt, offset, value, number: Within(plus, sizeof(long)), bytes: sizeof(long));

    /// <summary>
    /// Stores to memory that an argument points to. Caller must: own that memory until the commit; a restart stores
    /// there again.
    /// </summary>
    /// <param name="pointer">An argument.</param>
    /// <param name="offset">Added to it, in bytes.</param>
    /// <param name="value">What.</param>
    /// <exception cref="ArgumentException">The pointer is no argument.</exception>
    public void StoreTo(SectionValue pointer, int offset, SectionValue value) =>
        Step(SectionOperation.StoreTo, Own(pointer), value, number: offset);

    /// <summary>
    /// Copies from memory to the slot, before the commit. No thread may read the slot's bytes until then.
    /// </summary>
    /// <param name="offset">Where in the slot, in bytes.</param>
    /// <param name="source">An address. Caller must: keep it readable.</param>
    /// <param name="bytes">How many; 1 or more.</param>
    public void CopyIn(int offset, SectionValue source, int bytes) =>
        Step(SectionOperation.CopyIn, null, source, Within(offset, bytes), Copied(bytes));

    /// <inheritdoc cref="CopyIn(int, SectionValue, int)"/>
    /// <param name="offset">Where in the slot, computed. Outside of it, the section leaves and
    /// <see cref="PerCpuSection.Run"/> throws.</param>
    /// <param name="plus">Added to the offset; 0 or more.</param>
    /// <param name="source">An address. Caller must: keep it readable.</param>
    /// <param name="bytes">How many; 1 or more.</param>
    public void CopyIn(SectionValue offset, int plus, SectionValue source, int bytes) =>
        Step(SectionOperation.CopyIn, offset, source, Within(plus, bytes), Copied(bytes));

    /// <summary>
    /// Copies from the slot to memory that an argument points to. Caller must: own that memory until the commit; a
    /// restart copies again.
    /// </summary>
    /// <param name="offset">Where in the slot, computed. Outside of it, the section leaves and
    /// <see cref="PerCpuSection.Run"/> throws.</param>
    /// <param name="plus">Added to the offset; 0 or more.</param>
    /// <param name="target">An argument.</param>
    /// <param name="bytes">How many; 1 or more.</param>
    /// <exception cref="ArgumentException">The target is no argument.</exception>
    public void CopyOut(SectionValue offset, int plus, SectionValue target, int bytes) =>
        Step(SectionOperation.CopyOut, offset, Own(target), Within(plus, bytes), Copied(bytes));

    /// <summary>
    /// Commits by one store to the slot, after which the section is over. Other CPUs see it after everything stored
    /// before it.
    /// </summary>
    /// <param name="offset">In bytes, a multiple of 8.</param>
    /// <param name="value">What.</param>
    public void CommitStore(int offset, SectionValue value) =>
        Step(SectionOperation.CommitStore, value, number: Word(offset));

    /// <summary>Commits by adding to a word of the slot, after which the section is over.</summary>
    /// <param name="offset">In bytes, a multiple of 8.</param>
    /// <param name="value">What; it may be negative, and the word wraps.</param>
    public void CommitAdd(int offset, SectionValue value) =>
        Step(SectionOperation.CommitAdd, value, number: Word(offset));

    /// <summary>Names, after the commit, what <see cref="SectionResult.Value"/> will be.</summary>
    /// <param name="value">An argument or a value that a step made.</param>
    /// <exception cref="InvalidOperationException">There is no commit yet, or a value is named already.</exception>
    public void Return(SectionValue value)
    {
        if (!IsCommitted)
        {
            throw new InvalidOperationException(
                "Only a committed section returns a value: name it after the commit. To end without commit, leave "
                    + "with a code."
            );
        }

        if (_result != SectionStep.None)
        {
            throw new InvalidOperationException("The section already returns a value.");
        }

        _result = Number(value);
    }

    /// <summary>
    /// Checks the whole and makes it callable: as machine code where sections are available, under a lock of the slot
    /// elsewhere. Equal sections share their code, which stays for the life of the process.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no commit, or the values do not fit into
    /// registers.</exception>
    /// <exception cref="Code.CodeException">Memory for the code was refused.</exception>
    public PerCpuSection Build() => new(ToProgram(), SectionVariant.Shipped);

    internal SectionProgram ToProgram()
    {
        if (!IsCommitted)
        {
            throw new InvalidOperationException(
                "The section has no commit. It ends with exactly one CommitStore or CommitAdd; without it nothing it "
                    + "did would ever count."
            );
        }

        // Values were numbered behind all possible arguments; close the gap.
        int gap = SectionProgram.MaxArguments - _arguments;
        int Close(int value) => value >= SectionProgram.MaxArguments ? value - gap : value;
        SectionStep[] steps =
        [
            .. _steps.Select(step => step with { Target = Close(step.Target), A = Close(step.A), B = Close(step.B) }),
        ];
        var program = new SectionProgram(_shape, _arguments, _values - gap, steps, Close(_result));
        return RegisterChoice.Choose(program) is null
            ? throw new InvalidOperationException(
                "The section needs more values at the same time than there are registers (6 with its arguments). Use "
                    + "values sooner, or load them again."
            )
            : program;
    }

    private SectionValue Make(
        SectionOperation operation,
        SectionValue? a = null,
        SectionValue? b = null,
        long number = 0,
        int bytes = 0
    )
    {
        int target = _values;
        Append(new SectionStep(operation, target, Number(a), Number(b), number, bytes, 0));
        _values++;
        return new SectionValue(this, target);
    }

    private void Step(
        SectionOperation operation,
        SectionValue? a,
        SectionValue? b = null,
        long number = 0,
        int bytes = 0
    ) => Append(new SectionStep(operation, SectionStep.None, Number(a), Number(b), number, bytes, 0));

    private void Leave(SectionOperation operation, SectionValue left, SectionValue? right, int number, int code)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(code);
        Append(new SectionStep(operation, SectionStep.None, Number(left), Number(right), number, 0, code));
    }

    private void Append(SectionStep step)
    {
        if (IsCommitted)
        {
            throw new InvalidOperationException(
                step.IsCommit
                    ? "The section has its commit already. Two stores cannot become visible as one; put both into "
                        + "memory that one word makes valid."
                    : $"{step.Operation} after the commit: the section is over there, and the step would not be "
                        + "protected."
            );
        }

        if (_steps.Count == MaxSteps)
        {
            throw new InvalidOperationException(
                $"A section has at most {MaxSteps} steps: one that is interrupted more often than it takes never ends."
            );
        }

        // Charged when nothing can refuse the step any more: a refused one costs nothing.
        _steps.Add(step);
        if (step.Operation is SectionOperation.CopyIn or SectionOperation.CopyOut)
        {
            _copied += step.Bytes;
        }
    }

    private int Word(int offset)
    {
        if (offset % sizeof(long) != 0)
        {
            throw new ArgumentException(
                $"Offset {offset} is no multiple of {sizeof(long)}: a word that is not aligned can become visible in "
                    + "two parts.",
                nameof(offset)
            );
        }

        return Within(offset, sizeof(long));
    }

    private int Within(int offset, int bytes)
    {
        if (offset < 0 || bytes < 1 || offset > _shape.Bytes - bytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                offset,
                $"{bytes} bytes at offset {offset} do not lie in a slot of {_shape.Bytes} bytes."
            );
        }

        return offset;
    }

    private int Copied(int bytes)
    {
        return bytes <= MaxCopiedBytes - _copied
            ? bytes
            : throw new ArgumentOutOfRangeException(
                nameof(bytes),
                bytes,
                $"A section copies at most {MaxCopiedBytes} bytes; this one would copy {(long)_copied + bytes}."
            );
    }

    private SectionValue Own(SectionValue pointer) =>
        Number(pointer) < SectionProgram.MaxArguments
            ? pointer
            : throw new ArgumentException(
                "Outside of the slot a section stores only to memory that an argument points to. What a loaded or "
                    + "computed pointer leads to may be seen by others before the commit.",
                nameof(pointer)
            );

    private int Number(SectionValue? value) =>
        value is not { } given ? SectionStep.None
        : ReferenceEquals(given.Builder, this) ? given.Number
        : throw new ArgumentException("The value comes from another section, or from none.", nameof(value));
}
