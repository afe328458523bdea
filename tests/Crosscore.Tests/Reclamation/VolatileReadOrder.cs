using System.Reflection;
using System.Reflection.Emit;

namespace Crosscore.Tests.Reclamation;

/// <summary>
/// Finds two volatile reads in one straight piece of compiled code with nothing between them that the JIT keeps them apart by: it may exchange such reads, in one expression or in statements of their own
/// (dotnet/runtime#133524, reproduced with 10.0). A branch, a store, a barrier or a call that is not inlined lies between pieces. A property that only reads is looked through.
/// </summary>
internal static class VolatileReadOrder
{
    private const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    private static readonly Dictionary<MethodBase, List<Effect>> Known = [];

    /// <summary>The methods of some types that contain such a pair.</summary>
    public static IReadOnlyList<string> MethodsWithPairs(IEnumerable<Type> types) =>
    [
        .. types.SelectMany(type => type.GetMethods(Declared).Cast<MethodBase>().Concat(type.GetConstructors(Declared)))
            .Where(method => MostReadsInOnePiece(method) > 1)
            .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")
            .Distinct()
            .Order(StringComparer.Ordinal),
    ];

    private static int MostReadsInOnePiece(MethodBase method)
    {
        int most = 0;
        int reads = 0;
        foreach (Effect effect in Effects(method))
        {
            reads = effect == Effect.Read ? reads + 1 : 0;
            most = Math.Max(most, reads);
        }

        return most;
    }

    private static List<Effect> Effects(MethodBase method)
    {
        if (Known.TryGetValue(method, out List<Effect>? known))
        {
            return known;
        }

        List<Effect> effects = Known[method] = []; // for calls in a circle too
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } code)
        {
            return effects;
        }

        HashSet<int> targets = [];
        List<(int At, Effect Effect)> found = [];
        bool isVolatile = false;
        for (int at = 0; at < code.Length;)
        {
            int begin = at;
            short value = code[at++];
            if (value == 0xFE)
            {
                value = unchecked((short)(0xFE00 | code[at++]));
            }

            OpCode operation = OpCodesByValue[value];
            int operand = at;
            at += Size(operation.OperandType, code, operand);
            switch (operation.OperandType)
            {
                case OperandType.ShortInlineBrTarget:
                    _ = targets.Add(at + (sbyte)code[operand]);
                    break;
                case OperandType.InlineBrTarget:
                    _ = targets.Add(at + BitConverter.ToInt32(code, operand));
                    break;
                case OperandType.InlineSwitch:
                    for (int target = operand + 4; target < at; target += 4)
                    {
                        _ = targets.Add(at + BitConverter.ToInt32(code, target));
                    }

                    break;
            }

            if (operation.FlowControl is FlowControl.Branch or FlowControl.Cond_Branch or FlowControl.Return or FlowControl.Throw)
            {
                found.Add((begin, Effect.Border));
            }
            else if (operation.OperandType == OperandType.InlineMethod && EffectOf(method, BitConverter.ToInt32(code, operand)) is { } effect)
            {
                found.Add((begin, effect));
            }
            else if (isVolatile)
            {
                found.Add((begin, operation.Name!.StartsWith("st", StringComparison.Ordinal) ? Effect.Border : Effect.Read));
            }

            isVolatile = operation == OpCodes.Volatile;
        }

        foreach ((int at, Effect effect) in found.Concat(targets.Select(at => (At: at, Effect: Effect.Border))).OrderBy(one => one.At).ThenBy(one => one.Effect))
        {
            effects.Add(effect);
        }

        return effects;
    }

    private static Effect? EffectOf(MethodBase caller, int token)
    {
        Type[]? ofType = caller.DeclaringType!.IsGenericType ? caller.DeclaringType.GetGenericArguments() : null;
        Type[]? ofMethod = caller.IsGenericMethod ? caller.GetGenericArguments() : null;
        MethodBase called = caller.Module.ResolveMethod(token, ofType, ofMethod)!;
        if (called.DeclaringType == typeof(Volatile))
        {
            return called.Name == nameof(Volatile.Read) ? Effect.Read : Effect.Border;
        }

        if (called.Module != caller.Module)
        {
            return called.DeclaringType == typeof(Interlocked) ? Effect.Border : null;
        }

        if (called.MethodImplementationFlags.HasFlag(MethodImplAttributes.NoInlining) || called == caller)
        {
            return Effect.Border;
        }

        IEnumerable<Effect> inside = Effects(called).SkipLast(1); // without its return
        return inside.Contains(Effect.Border) ? Effect.Border : inside.Contains(Effect.Read) ? Effect.Read : null;
    }

    private static int Size(OperandType operand, byte[] code, int at) => operand switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
        _ => 4,
    };

    // In this order at one place: a border that is the target of a branch stands before what is there.
    private enum Effect
    {
        Border,
        Read,
    }
}
