using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Verdicts;

/// <summary>The names of the kinds of cores, as the command line and tests have them.</summary>
internal static class CoreNames
{
    /// <summary>Gets all kinds by their names.</summary>
    public static IReadOnlyDictionary<string, CoreKind> All { get; } =
        new Dictionary<string, CoreKind>
        {
            ["x86-tso"] = CoreKind.X86Tso,
            ["sc"] = CoreKind.Sc,
            ["aarch64"] = CoreKind.AArch64,
            ["riscv-like"] = CoreKind.RiscVLike,
        };

    /// <summary>Gets the name of a kind of cores.</summary>
    /// <param name="core">The kind.</param>
    public static string Of(CoreKind core) => All.First(name => name.Value == core).Key;
}
