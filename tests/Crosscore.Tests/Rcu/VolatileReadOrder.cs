using System.Reflection;
using System.Reflection.Emit;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// Finds in the IL of the library the two shapes in which the JIT of .NET 10.0 is known to break the order of volatile
/// reads. What is found is judged by hand, in the lists of the tests that call this.
/// </summary>
/// <remarks>
/// <para>Two volatile reads in one straight piece of code with nothing between them: they may be exchanged, in one
/// expression or in two statements (dotnet/runtime#133524). A branch, a store, a barrier or a call that is not
/// inlined lies between pieces. A property that only reads is looked through.</para>
/// <para>A plain load and a volatile read in one loop: the load may be taken out of the loop over the read
/// (dotnet/runtime#133579). A call that is not inlined, an interlocked operation, a barrier or a volatile store in
/// the loop keeps it inside; readonly fields do not change, and locals belong to one thread.</para>
/// </remarks>
internal static class VolatileReadOrder
{
    private const BindingFlags Declared =
        BindingFlags.DeclaredOnly
        | BindingFlags.Public
        | BindingFlags.NonPublic
        | BindingFlags.Instance
        | BindingFlags.Static;

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    private static readonly Dictionary<MethodBase, List<Step>> Known = [];

    /// <summary>The methods of some types that contain such a pair.</summary>
    public static IReadOnlyList<string> MethodsWithPairs(IEnumerable<Type> types) =>
        [
            .. types
                .SelectMany(type => type.GetMethods(Declared).Cast<MethodBase>().Concat(type.GetConstructors(Declared)))
                .Where(method => MostReadsInOnePiece(method) > 1)
                .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>
    /// The methods of some types that contain a loop with a plain load and a volatile read, each with the fields that
    /// are loaded.
    /// </summary>
    public static IReadOnlyList<string> MethodsWithLoads(IEnumerable<Type> types) =>
        [
            .. types
                .SelectMany(type => type.GetMethods(Declared).Cast<MethodBase>().Concat(type.GetConstructors(Declared)))
                .Select(method => (Method: method, Loads: LoadsBesideReads(method)))
                .Where(found => found.Loads.Count > 0)
                .Select(found =>
                    $"{found.Method.DeclaringType!.Name}.{found.Method.Name}: {string.Join(", ", found.Loads)}"
                )
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    private static int MostReadsInOnePiece(MethodBase method)
    {
        int most = 0;
        int reads = 0;
        foreach (Step step in Steps(method))
        {
            reads =
                step.Effect == Effect.Read ? reads + 1
                : step.Effect == Effect.Load ? reads
                : 0;
            most = Math.Max(most, reads);
        }

        return most;
    }

    private static SortedSet<string> LoadsBesideReads(MethodBase method)
    {
        SortedSet<string> loads = new(StringComparer.Ordinal);
        List<Step> steps = Steps(method);
        foreach (Step back in steps.Where(step => step.Target >= 0 && step.Target <= step.At))
        {
            List<Step> loop = [.. steps.Where(step => step.At >= back.Target && step.At <= back.At)];
            if (loop.Any(step => step.Effect == Effect.Read) && !loop.Any(step => step.Effect == Effect.Barrier))
            {
                loads.UnionWith(loop.Where(step => step.Effect == Effect.Load).Select(step => step.Name));
            }
        }

        return loads;
    }

    private static List<Step> Steps(MethodBase method)
    {
        if (Known.TryGetValue(method, out List<Step>? known))
        {
            return known;
        }

        List<Step> steps = Known[method] = []; // for calls in a circle too
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } code)
        {
            return steps;
        }

        List<Step> found = [];
        bool isVolatile = false;
        OpCode before = OpCodes.Nop;
        for (int at = 0; at < code.Length; )
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
            foreach (int target in Targets(operation.OperandType, code, operand, at))
            {
                found.Add(new(begin, Effect.Border, Target: target));
                found.Add(new(target, Effect.Border, IsTarget: true));
            }

            if (operation.FlowControl is FlowControl.Return or FlowControl.Throw)
            {
                found.Add(new(begin, Effect.Border));
            }
            else if (operation.OperandType == OperandType.InlineMethod)
            {
                found.AddRange(
                    StepsOf(method, BitConverter.ToInt32(code, operand))
                        .Select(step => step with { At = begin, Target = -1 })
                );
            }
            else if (isVolatile)
            {
                found.Add(
                    new(
                        begin,
                        operation.Name!.StartsWith("st", StringComparison.Ordinal) ? Effect.Barrier : Effect.Read
                    )
                );
            }
            else if (
                IsPlainLoad(
                    method,
                    operation,
                    before,
                    operation.OperandType == OperandType.InlineField ? BitConverter.ToInt32(code, operand) : 0,
                    out string name
                )
            )
            {
                found.Add(new(begin, Effect.Load, name));
            }

            isVolatile = operation == OpCodes.Volatile;
            before = operation;
        }

        // a target stands before what is there
        steps.AddRange(found.OrderBy(step => step.At).ThenBy(step => !step.IsTarget));
        return steps;
    }

    private static IEnumerable<int> Targets(OperandType operand, byte[] code, int at, int next)
    {
        switch (operand)
        {
            case OperandType.ShortInlineBrTarget:
                yield return next + (sbyte)code[at];
                break;
            case OperandType.InlineBrTarget:
                yield return next + BitConverter.ToInt32(code, at);
                break;
            case OperandType.InlineSwitch:
                for (int target = at + 4; target < next; target += 4)
                {
                    yield return next + BitConverter.ToInt32(code, target);
                }

                break;
        }
    }

    /// <summary>
    /// Whether an instruction loads what another thread may store: not a local, not a field that is written once.
    /// </summary>
    private static bool IsPlainLoad(MethodBase method, OpCode operation, OpCode before, int token, out string name)
    {
        name = operation.Name!;
        if (operation == OpCodes.Ldfld || operation == OpCodes.Ldsfld)
        {
            FieldInfo field = method.Module.ResolveField(
                token,
                Arguments(method.DeclaringType!),
                method.IsGenericMethod ? method.GetGenericArguments() : null
            )!;
            name = $"{field.DeclaringType!.Name}.{field.Name}";
            bool isLocal =
                before.Name!.StartsWith("ldloc", StringComparison.Ordinal) && field.DeclaringType.IsValueType;
            return !field.IsInitOnly && !isLocal;
        }

        return name.StartsWith("ldind", StringComparison.Ordinal)
            || name is "ldobj"
            || (name.StartsWith("ldelem", StringComparison.Ordinal) && name != "ldelema");
    }

    private static Type[]? Arguments(Type type) => type.IsGenericType ? type.GetGenericArguments() : null;

    private static IEnumerable<Step> StepsOf(MethodBase caller, int token)
    {
        MethodBase called = caller.Module.ResolveMethod(
            token,
            Arguments(caller.DeclaringType!),
            caller.IsGenericMethod ? caller.GetGenericArguments() : null
        )!;
        if (called.DeclaringType == typeof(Volatile))
        {
            return [new(0, called.Name == nameof(Volatile.Read) ? Effect.Read : Effect.Barrier)];
        }

        if (called.Module != caller.Module)
        {
            return called.DeclaringType == typeof(Interlocked) ? [new(0, Effect.Barrier)] : [];
        }

        if (called.MethodImplementationFlags.HasFlag(MethodImplAttributes.NoInlining) || called == caller)
        {
            return [new(0, Effect.Barrier)];
        }

        // What a call adds to its caller is each kind of effect once: bodies of bodies would not end.
        Step[] inside = [.. Steps(called).SkipLast(1)]; // without its return
        Step[] loads = [.. inside.Where(step => step.Effect == Effect.Load).DistinctBy(step => step.Name)];
        Step[] read = inside.Any(step => step.Effect == Effect.Read) ? [new(0, Effect.Read)] : [];
        Step[] barrier = inside.Any(step => step.Effect == Effect.Barrier) ? [new(0, Effect.Barrier)] : [];
        return inside.Any(step => step.Effect is Effect.Border or Effect.Barrier)
            ? [new(0, Effect.Border), .. read, new(0, Effect.Border), .. barrier, .. loads, new(0, Effect.Border)]
            : [.. read, .. loads];
    }

    private static int Size(OperandType operand, byte[] code, int at) =>
        operand switch
        {
            OperandType.InlineNone => 0,
            OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
            OperandType.InlineVar => 2,
            OperandType.InlineI8 or OperandType.InlineR => 8,
            OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
            _ => 4,
        };

    /// <summary>What one place in the code does, and where it may continue.</summary>
    private sealed record Step(int At, Effect Effect, string Name = "", int Target = -1, bool IsTarget = false);

    private enum Effect
    {
        /// <summary>The end of a straight piece.</summary>
        Border,

        /// <summary>
        /// A volatile store, an interlocked operation, a barrier or a call that is not inlined: also the end of a
        /// straight piece.
        /// </summary>
        Barrier,

        Read,

        Load,
    }
}
