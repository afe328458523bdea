using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Language;

/// <summary>
/// Where the compiler writes code to: that of a task, or that which any CPU runs on behalf of whatever task it has.
/// </summary>
internal interface ICodeSink
{
    /// <summary>
    /// The number of the task whose code this is, so that <c>current</c> is known; -1 when it is code of the CPUs.
    /// </summary>
    int Task { get; }

    /// <summary>The index of the next operation.</summary>
    int Position { get; }

    /// <summary>Gets a register that no other code uses until it is released. Its first value does not
    /// matter.</summary>
    int NewRegister();

    /// <summary>Releases a register whose value is no longer needed.</summary>
    void ReleaseRegister(int number);

    /// <summary>
    /// A register that each CPU has one of and keeps. Asked for again under the same name, it is the same one.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="initialValues">What it holds at the start, for each CPU.</param>
    int CpuRegister(string name, IReadOnlyList<ulong> initialValues);

    /// <summary>Appends an operation.</summary>
    void Emit(MicroOp op);

    /// <summary>Replaces an operation, to give a jump its target.</summary>
    void Patch(int index, MicroOp op);
}
