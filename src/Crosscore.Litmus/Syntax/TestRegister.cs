using System.Globalization;

namespace Crosscore.Litmus.Syntax;

/// <summary>The instruction sets of tests.</summary>
public enum Architecture
{
#pragma warning disable CS1591 // the names are the architectures'
    X86_64,
    AArch64,
#pragma warning restore CS1591
}

/// <summary>A general register of either architecture.</summary>
/// <param name="Architecture">The architecture.</param>
/// <param name="Number">Its number there: of <see cref="X86Register"/>, or 0 to 30.</param>
public readonly record struct TestRegister(Architecture Architecture, int Number)
{
    /// <summary>
    /// Not a register but the answer to a question such as <c>fault(P0:L0)</c>: one where an instruction faulted, zero
    /// otherwise.
    /// </summary>
    public FaultQuestion? Fault { get; init; }

    /// <summary>The register as one of x86.</summary>
    public X86Register X86 => (X86Register)Number;

    /// <summary>Its full name, as herd writes it.</summary>
    public string Name =>
        Fault is not null ? $"fault({Fault})"
        : Architecture == Architecture.X86_64 ? X86.Name()
        : "X" + Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A register of x86.</summary>
    public static implicit operator TestRegister(X86Register register) => new(Architecture.X86_64, (int)register);
}
