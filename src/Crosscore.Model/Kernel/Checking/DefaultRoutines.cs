using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>What a design that says nothing gets.</summary>
internal static class DefaultRoutines
{
    /// <summary>The primitive that makes the next task the current one.</summary>
    public const string SwitchTo = "switch_to";

    /// <summary>A context switch that only switches.</summary>
    public static readonly RoutineDeclaration Switch = new(
        "switch",
        default,
        RoutineKind.Switch,
        KernelType.Void,
        [new Parameter("prev", default, KernelType.Task), new Parameter("next", default, KernelType.Task)],
        new BlockStatement(default, [], default)
    );
}
