using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>What is lost when a labeled call is left out.</summary>
internal static class LabelKinds
{
    /// <summary>Whether a primitive can be left out and the rest still be a kernel.</summary>
    public static bool IsRemovable(Primitive primitive) => Of(primitive) is not null;

    /// <summary>The strongest of what a call does, functions looked into.</summary>
    public static KernelLabelKind Of(MergedDesign design, CallExpression call)
    {
        if (Primitives.All.TryGetValue(call.Name, out PrimitiveSignature? signature))
        {
            return Of(signature.Primitive) ?? KernelLabelKind.Call;
        }

        return TreeWalk
            .Calls(design.FindRoutine(call.Name)!.Body)
            .Select(inner => Of(design, inner))
            .Append(KernelLabelKind.Call)
            .Min();
    }

    private static KernelLabelKind? Of(Primitive primitive) =>
        primitive switch
        {
            Primitive.SyncCore => KernelLabelKind.Serialization,
            Primitive.RestartSequence => KernelLabelKind.Restart,
            Primitive.Barrier or Primitive.DemandFences => KernelLabelKind.Barrier,
            Primitive.IpiAndWait => KernelLabelKind.Interrupt,
            Primitive.Schedule => KernelLabelKind.Call,
            _ => null,
        };
}
