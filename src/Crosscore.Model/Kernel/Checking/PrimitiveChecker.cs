using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>Checks the arguments of a primitive, which are not all values: some are places, some are names.</summary>
internal sealed class PrimitiveChecker(ExpressionChecker expressions, MergedDesign design, LocalScope locals)
{
    private KernelType _placeType = KernelType.Void;

    /// <summary>Gives what the primitive returns.</summary>
    public KernelType Check(CallExpression call, PrimitiveSignature signature)
    {
        ExpressionChecker.CheckCount(call, signature.Arguments.Count);
        for (int index = 0; index < call.Arguments.Count; index++)
        {
            Check(call.Arguments[index], signature.Arguments[index]);
        }

        return signature.ReturnsPlaceType ? _placeType : KernelType.Void;
    }

    private void Check(Expression argument, ArgumentKind kind)
    {
        switch (kind)
        {
            case ArgumentKind.Place:
                Place(argument, type => type != KernelType.Lock, "a variable in memory");
                break;
            case ArgumentKind.IntPlace:
                Place(argument, type => type == KernelType.Int, "a variable in memory that is an int");
                break;
            case ArgumentKind.MaskPlace:
                Place(
                    argument,
                    type => type is KernelType.Int or KernelType.Cpus,
                    "a variable in memory that is an int or a set of cpus"
                );
                break;
            case ArgumentKind.LockPlace:
                Place(argument, type => type == KernelType.Lock, "a lock");
                break;
            case ArgumentKind.PlaceValue:
                expressions.Expect(argument, _placeType);
                break;
            case ArgumentKind.Cpus:
                expressions.Expect(argument, KernelType.Cpus);
                break;
            case ArgumentKind.Handler:
                Handler(argument);
                break;
            default:
                Next(argument);
                break;
        }
    }

    private void Place(Expression argument, Func<KernelType, bool> accepts, string expected)
    {
        VariableDeclaration place =
            expressions.TryPlace(argument)
            ?? throw argument.Position.Error($"found something else, expected {expected}");
        _placeType = accepts(place.Type)
            ? place.Type
            : throw argument.Position.Error($"found {ExpressionChecker.Describe(place.Type)}, expected {expected}");
    }

    private void Handler(Expression argument)
    {
        if (argument is not NameExpression name)
        {
            throw argument.Position.Error("found something else, expected the name of an interrupt");
        }

        if (design.FindRoutine(name.Name) is not { Kind: RoutineKind.Interrupt })
        {
            string hint = Suggestion.For(name.Name, design.Handlers.Select(handler => handler.Name));
            throw name.Position.Error($"found '{name.Name}', expected the name of an interrupt{hint}");
        }
    }

    // Only the machine chooses who runs next.
    private void Next(Expression argument)
    {
        string? expected = design.FindRoutine(RoutineKind.Switch)?.Parameters[1].Name;
        if (argument is not NameExpression name || name.Name != expected || !locals.TryFind(expected, out _, out _))
        {
            throw argument.Position.Error(
                $"found something else, expected '{expected ?? "next"}', the task that the machine chose"
            );
        }
    }
}
