using Crosscore.Litmus.Isa.AArch64;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Isa;

/// <summary>The table of instruction sets: the only place that names them all.</summary>
internal static class InstructionSets
{
    private static readonly IInstructionSet[] All = [new X86_64InstructionSet(), new AArch64InstructionSet()];

    /// <summary>Gets the names of all instruction sets, for messages.</summary>
    public static string Names => string.Join(" or ", All.Select(set => set.Architecture));

    /// <summary>Finds an instruction set; <see langword="null"/> for an unknown name.</summary>
    /// <param name="name">The name in the first line of a test, in any case.</param>
    public static IInstructionSet? Find(string name) =>
        Array.Find(All, set => set.Architecture.ToString().Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Gets the instruction set of a test.</summary>
    /// <param name="test">The test.</param>
    public static IInstructionSet InstructionSet(this LitmusTest test) =>
        All.First(set => set.Architecture == test.Architecture);

    /// <summary>Gets the kind of cores that execute the instructions of a test.</summary>
    /// <param name="test">The test.</param>
    public static CoreKind HomeCore(this LitmusTest test) => test.InstructionSet().HomeCore;

    /// <summary>
    /// Gets why a test cannot run on a machine, which has a kernel and does not let tasks be placed;
    /// <see langword="null"/> when it can.
    /// </summary>
    /// <param name="test">The test.</param>
    public static string? WhyModelOnly(this LitmusTest test) =>
        test.InstructionSet().WhyModelOnly(test)
        ?? (test.System.IsPlain ? null : "tests that place their threads on CPUs can only be explored");
}
