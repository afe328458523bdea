using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>A value and its type.</summary>
internal readonly record struct Value(Operand Operand, KernelType Type);

/// <summary>A local or parameter: a register, or a value that never changes.</summary>
/// <param name="Value">The register or the constant.</param>
/// <param name="IsOwned">Whether the register is this local's own.</param>
internal readonly record struct Local(Value Value, bool IsOwned);

/// <summary>One routine being written, inlined or not.</summary>
internal sealed class Frame(RoutineDeclaration routine)
{
    public RoutineDeclaration Routine { get; } = routine;

    public Dictionary<string, Local> Locals { get; } = [];

    /// <summary>Where the routine ends.</summary>
    public Joint End { get; } = new();

    /// <summary>The register that takes the result; -1 when the only return is the last statement.</summary>
    public int ResultRegister { get; set; } = -1;

    /// <summary>The result, when there is no register for it.</summary>
    public Operand Result { get; set; }

    /// <summary>Where 'break' and 'continue' go, the innermost loop last.</summary>
    public Stack<(Joint Break, Joint Continue)> Loops { get; } = [];
}
