namespace Crosscore.PerCpu;

/// <summary>What a step does. T is the value it makes, A and B the values it uses, N its number.</summary>
internal enum SectionOperation
{
    /// <summary>T = N</summary>
    Constant,

    /// <summary>T = the index of the slot</summary>
    ThisSlot,

    /// <summary>T = slot[N]</summary>
    Load,

    /// <summary>T = slot[A + N]; leaves when that is outside the slot</summary>
    LoadAt,

    /// <summary>T = memory[A + N]</summary>
    LoadFrom,

    /// <summary>T = A + B</summary>
    Add,

    /// <summary>T = A - B</summary>
    Subtract,

    /// <summary>T = A + N</summary>
    AddNumber,

    /// <summary>T = A == N ? 0 : A</summary>
    WrapAt,

    /// <summary>slot[N] = A</summary>
    Store,

    /// <summary>slot[A + N] = B; leaves when that is outside the slot</summary>
    StoreAt,

    /// <summary>memory[A + N] = B, where A is an argument</summary>
    StoreTo,

    /// <summary>Bytes bytes from memory[B] to slot[A + N], or to slot[N] without A</summary>
    CopyIn,

    /// <summary>Bytes bytes from slot[A + N], or from slot[N] without A, to memory[B], where B is an argument</summary>
    CopyOut,

    /// <summary>Leaves with the code when A == B</summary>
    LeaveIfEqual,

    /// <summary>Leaves with the code when A == N</summary>
    LeaveIfNumber,

    /// <summary>Leaves with the code when A != B</summary>
    LeaveIfNotEqual,

    /// <summary>Leaves with the code when A != N</summary>
    LeaveIfNotNumber,

    /// <summary>Leaves with the code when A >= B, both without sign</summary>
    LeaveIfAtLeast,

    /// <summary>slot[N] = A, and the section is over</summary>
    CommitStore,

    /// <summary>slot[N] += A, and the section is over</summary>
    CommitAdd,
}

/// <summary>One step; values are numbers, and <see cref="None"/> stands where a step has none.</summary>
internal readonly record struct SectionStep(
    SectionOperation Operation,
    int Target,
    int A,
    int B,
    long Number,
    int Bytes,
    int Code
)
{
    public const int None = -1;

    public bool IsCommit => Operation is SectionOperation.CommitStore or SectionOperation.CommitAdd;
}

/// <summary>What the slots look like for which a section is made; the machine code contains all of it.</summary>
/// <param name="Stride">Bytes from one slot to the next.</param>
/// <param name="Header">Bytes before the first of the user's: room for the word that stops the slot, or 0 where slots
/// cannot be stopped.</param>
/// <param name="Bytes">The user's bytes in each slot.</param>
/// <param name="CpuSlots">How many slots belong to CPUs. Numbers from here on have none.</param>
/// <param name="Index">Which number of the thread selects the slot.</param>
internal readonly record struct SlotShape(int Stride, int Header, int Bytes, int CpuSlots, PerCpuIndex Index)
{
    public bool CanStop => Header != 0;
}

/// <summary>The steps of a section that has been checked: one commit, the last step.</summary>
/// <param name="Shape">The slots it works on.</param>
/// <param name="Arguments">How many arguments it has.</param>
/// <param name="Values">How many values there are, arguments first.</param>
/// <param name="Steps">The steps.</param>
/// <param name="Result">The value that is returned when it has committed, or <see cref="SectionStep.None"/>.</param>
internal sealed record SectionProgram(SlotShape Shape, int Arguments, int Values, SectionStep[] Steps, int Result)
{
    public const int MaxArguments = 4;

    /// <summary>Two programs with the same text become the same machine code, so it is installed once.</summary>
    public string Text => $"{Shape}|{Arguments}|{Result}|{string.Join('|', Steps)}";
}

/// <summary>Why a section was left without its commit, beyond the codes of its author, which are positive.</summary>
internal static class SectionExit
{
    /// <summary>
    /// The thread has no area, or runs where no slot is: rseq(2) does not know it, so it uses the slot that all such
    /// threads share.
    /// </summary>
    public const int NoSlot = -1;

    /// <summary>Another thread has stopped this slot and works on it from outside.</summary>
    public const int Stopped = -2;

    /// <summary>A computed offset lies outside the slot.</summary>
    public const int OutOfSlot = -3;
}
