using Crosscore.Model.Compilation;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// How one search explores AArch64 memory. It never changes, so all workers share it, and so do the machines that look
/// for promises.
/// </summary>
internal sealed class ViewPlan
{
    /// <summary>Gets the memory and its rules.</summary>
    public required ViewMemory Memory { get; init; }

    /// <summary>Gets what the code of each CPU may access; empty without a system.</summary>
    public required CpuCodeAccesses[] CpuAccesses { get; init; }

    /// <summary>Gets whether writes may be promised at all; the options can say no.</summary>
    public required bool Promises { get; init; }

    /// <summary>
    /// Gets whether all writes are promised before any CPU executes (Promising-ARM, section 7). It takes threads that
    /// each have a separate CPU, and loops that do not store without end.
    /// </summary>
    public required bool PromisesFirst { get; init; }

    /// <summary>
    /// Gets whether the program itself limits how many writes there are. Otherwise a full list of writes is a bound of
    /// the options, to be reported.
    /// </summary>
    public required bool WritesAreBounded { get; init; }

    /// <summary>
    /// Gets the field that says whether the CPUs execute, with <see cref="PromisesFirst"/>; no bits otherwise.
    /// </summary>
    public required BitField Phase { get; init; }

    /// <summary>Whether the writes are promised and the CPUs execute.</summary>
    public bool HasBegun(ReadOnlySpan<ulong> state) => Phase.Get(state) != 0;
}
