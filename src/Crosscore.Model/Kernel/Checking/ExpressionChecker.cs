using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>Gives every expression its type, or says why it has none.</summary>
internal sealed class ExpressionChecker(MergedDesign design, LocalScope locals)
{
    /// <summary>The type of an expression that gives a value.</summary>
    public KernelType Value(Expression expression)
    {
        KernelType type = TypeOf(expression);
        return type switch
        {
            KernelType.Void => throw expression.Position.Error("found a call that gives no value, expected a value"),
            KernelType.Word => throw expression.Position.Error(
                "found an option that only the machine reads, expected a value"
            ),
            KernelType.Lock => throw expression.Position.Error(
                "found a lock, expected a value; locks stand only in lock() and unlock()"
            ),
            _ => type,
        };
    }

    public bool IsOption(string name) => design.Options.ContainsKey(name);

    /// <summary>Checks that an expression fits where a type is expected.</summary>
    public void Expect(Expression expression, KernelType expected)
    {
        KernelType type = Value(expression);
        if (!Operators.Fits(type, expected))
        {
            throw expression.Position.Error($"found {Describe(type)}, expected {Describe(expected)}");
        }
    }

    /// <summary>
    /// The variable in memory that an expression names, or <see langword="null"/> when it names none.
    /// </summary>
    public VariableDeclaration? TryPlace(Expression expression)
    {
        switch (expression)
        {
            case NameExpression name
                when design.FindVariable(name.Name) is { } variable && !locals.TryFind(name.Name, out _, out _):
                if (variable.Scope is not (VariableScope.Global or VariableScope.Register))
                {
                    throw name.Position.Error(
                        $"found '{name.Name}' alone, expected {Vocabulary.Access(variable.Scope, variable.Name)}"
                    );
                }

                return variable.Scope == VariableScope.Global ? variable : null;
            case IndexExpression index:
                Expect(index.Index, KernelType.Cpu);
                return Require(index.Name, index.Position, VariableScope.PerCpu);
            case FieldExpression field:
                KernelType owner = Value(field.Owner);
                return owner switch
                {
                    KernelType.Task => Require(field.Name, field.NamePosition, VariableScope.Task),
                    KernelType.Mm => Require(field.Name, field.NamePosition, VariableScope.Mm),
                    _ => throw field.Owner.Position.Error(
                        $"found {Describe(owner)} before '.{field.Name}', expected a task or an mm"
                    ),
                };
            default:
                return null;
        }
    }

    /// <summary>Checks what a call takes; gives what it returns.</summary>
    public KernelType Call(CallExpression call)
    {
        if (Primitives.All.TryGetValue(call.Name, out PrimitiveSignature? signature))
        {
            return new PrimitiveChecker(this, design, locals).Check(call, signature);
        }

        RoutineDeclaration routine = design.FindRoutine(call.Name)
            is { Kind: RoutineKind.Function or RoutineKind.Interrupt } found
            ? found
            : throw UnknownFunction(call);
        CheckCount(call, routine.Parameters.Count);
        for (int index = 0; index < call.Arguments.Count; index++)
        {
            Expect(call.Arguments[index], routine.Parameters[index].Type);
        }

        return routine.Result;
    }

    public static void CheckCount(CallExpression call, int expected)
    {
        if (call.Arguments.Count != expected)
        {
            string arguments = expected == 1 ? "argument" : "arguments";
            throw call.Position.Error(
                $"found {call.Arguments.Count} between the parentheses "
                    + $"of '{call.Name}', expected {expected} {arguments}"
            );
        }
    }

    /// <summary>For messages.</summary>
    public static string Describe(KernelType type) =>
        type switch
        {
            KernelType.Int => "an int",
            KernelType.Cpus => "a set of cpus",
            KernelType.Mm => "an mm",
            KernelType.None => "none",
            KernelType.Void => "no value",
            KernelType.Word => "a word",
            _ => $"a {Vocabulary.NameOf(type)}",
        };

    private KernelType TypeOf(Expression expression)
    {
        switch (expression)
        {
            case NumberExpression:
                return KernelType.Int;
            case NameExpression name:
                return Name(name);
            case SetExpression set:
                foreach (Expression member in set.Members)
                {
                    Expect(member, KernelType.Cpu);
                }

                return KernelType.Cpus;
            case NotExpression not:
                Expect(not.Operand, KernelType.Bool);
                return KernelType.Bool;
            case BinaryExpression binary:
                return Binary(binary);
            case CallExpression call:
                return Call(call);
            default:
                return TryPlace(expression)!.Type;
        }
    }

    private KernelType Binary(BinaryExpression binary)
    {
        if (binary.Operator is "&&" or "||")
        {
            Expect(binary.Left, KernelType.Bool);
            Expect(binary.Right, KernelType.Bool);
            return KernelType.Bool;
        }

        KernelType left = Value(binary.Left);
        KernelType right = Value(binary.Right);
        return Operators.Find(binary.Operator, left, right)?.Type
            ?? throw binary.Position.Error(
                $"found {Describe(left)} {binary.Operator} {Describe(right)}, "
                    + $"expected two that '{binary.Operator}' can take together"
            );
    }

    private KernelType Name(NameExpression name)
    {
        if (locals.TryFind(name.Name, out KernelType type, out _) || Vocabulary.Values.TryGetValue(name.Name, out type))
        {
            return type;
        }

        if (Vocabulary.Errors.ContainsKey(name.Name))
        {
            return KernelType.Int;
        }

        if (design.Options.TryGetValue(name.Name, out OptionDeclaration? option))
        {
            return option.Type!.Value;
        }

        if (TryPlace(name) is { } place)
        {
            return place.Type;
        }

        if (design.FindVariable(name.Name) is { } register)
        {
            return register.Type;
        }

        IEnumerable<string> known = locals
            .Names.Concat(Vocabulary.Values.Keys)
            .Concat(Vocabulary.Errors.Keys)
            .Concat(design.Options.Keys)
            .Concat(design.Variables.Select(variable => variable.Name));
        throw name.Position.Error(
            $"found '{name.Name}', expected a local, an option, a variable "
                + $"or an error's name{Suggestion.For(name.Name, known)}"
        );
    }

    private VariableDeclaration Require(string name, Position position, VariableScope scope)
    {
        VariableDeclaration? variable = design.FindVariable(name);
        if (variable is null)
        {
            string whose = scope switch
            {
                VariableScope.PerCpu => "each CPU",
                VariableScope.Task => "each task",
                _ => "each address space",
            };
            IEnumerable<string> known = design.Variables.Where(v => v.Scope == scope).Select(v => v.Name);
            throw position.Error($"found '{name}', expected a variable of {whose}{Suggestion.For(name, known)}");
        }

        return variable.Scope == scope
            ? variable
            : throw position.Error($"found '{name}' here, expected {Vocabulary.Access(variable.Scope, variable.Name)}");
    }

    private KernelDesignException UnknownFunction(CallExpression call)
    {
        IEnumerable<string> known = Primitives.All.Keys.Concat(
            design
                .Routines.Where(routine => routine.Kind is RoutineKind.Function or RoutineKind.Interrupt)
                .Select(routine => routine.Name)
        );
        return call.Position.Error(
            $"found '{call.Name}', expected a function, an interrupt or a primitive{Suggestion.For(call.Name, known)}"
        );
    }
}
