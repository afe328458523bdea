using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Assemblers;

/// <summary>
/// Turns tests of one instruction set into code for this machine. An instruction set that has none can only be
/// explored.
/// </summary>
internal interface ITestAssembler
{
    /// <summary>Gets the systems that execute the code, for messages.</summary>
    string Requires { get; }

    /// <summary>Whether this process executes the code.</summary>
    bool RunsHere { get; }

    /// <summary>Whether a column can jump backwards, and so may never end.</summary>
    /// <param name="column">The column.</param>
    bool HasLoop(LitmusThread column);

    /// <summary>Whether a column accesses memory at an address from a register, which may lie anywhere.</summary>
    /// <param name="column">The column.</param>
    bool HasComputedAddress(LitmusThread column);

    /// <summary>Assembles a test for rendezvous mode.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <exception cref="MachineRunException">A column leaves too few registers free.</exception>
    RendezvousCode Rendezvous(LitmusTest test, MemoryLayout layout);

    /// <summary>Finds the perpetual form of a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="reason">Why there is none, as the end of a sentence; empty when there is one.</param>
    /// <returns>The plan, or <see langword="null"/>.</returns>
    PerpetualPlan? Plan(LitmusTest test, out string reason);

    /// <summary>Assembles one function for each column for perpetual mode.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="plan">Its perpetual form.</param>
    byte[][] Perpetual(LitmusTest test, MemoryLayout layout, PerpetualPlan plan);
}

/// <summary>The code of a test in rendezvous mode.</summary>
/// <param name="Functions">One function for each column; it takes the column's control block.</param>
/// <param name="Observed">For each column the registers that it stores after an iteration, in this order.</param>
internal sealed record RendezvousCode(byte[][] Functions, IReadOnlyList<TestRegister>[] Observed);
