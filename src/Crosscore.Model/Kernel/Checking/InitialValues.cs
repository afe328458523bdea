using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>What a variable holds before anything runs: a constant, or something that the test decides.</summary>
internal static class InitialValues
{
    /// <summary>Checks the first value of a variable.</summary>
    public static void Check(VariableDeclaration variable)
    {
        if (variable is { Scope: VariableScope.Register, Type: KernelType.Lock })
        {
            throw variable.Position.Error(
                $"found a lock '{variable.Name}' in a register, expected one in memory: no other CPU could see it"
            );
        }

        if (variable.Initial is not { } initial)
        {
            return;
        }

        string? word = Word(initial);
        if (word is not null && Vocabulary.Initials.TryGetValue(word, out var known))
        {
            bool fits = known.Type == variable.Type && known.Scopes.Contains(variable.Scope);
            string whose = word switch
            {
                "population" => "an int of each address space",
                "running" => "a task of each CPU",
                "home" => "an mm of each task",
                _ => "an mm of each CPU",
            };
            _ = fits
                ? 0
                : throw initial.Position.Error(
                    $"found '{word}', expected a constant: '{word}' is the first value of {whose}"
                );
            return;
        }

        (KernelType type, _) =
            Constant(initial)
            ?? throw initial.Position.Error(
                $"found something else, expected a constant, 'population', 'running', 'home' or "
                    + $"'running.home'{(word is null ? "" : Suggestion.For(word, Vocabulary.Initials.Keys))}"
            );
        if (!Operators.Fits(type, variable.Type))
        {
            throw initial.Position.Error(
                $"found {ExpressionChecker.Describe(type)}, expected {ExpressionChecker.Describe(variable.Type)}"
            );
        }
    }

    /// <summary>The first value of one element of a variable.</summary>
    /// <param name="variable">The variable.</param>
    /// <param name="configuration">The CPUs and tasks.</param>
    /// <param name="element">The number of the CPU, the task or the address space that it belongs to.</param>
    public static ulong Of(VariableDeclaration variable, KernelConfiguration configuration, int element) =>
        variable.Initial is null
            ? 0
            : Word(variable.Initial) switch
            {
                "population" => (ulong)configuration.Tasks.Count(task => task.Mm == element || task.Holds == element),
                "running" => (ulong)(configuration.RunningOn(element) + 1),
                "home" => (ulong)(configuration.Tasks[element].Mm + 1),
                "running.home" => configuration.RunningOn(element) is >= 0 and int running
                    ? (ulong)(configuration.Tasks[running].Mm + 1)
                    : 0,
                _ => Constant(variable.Initial)!.Value.Value,
            };

    private static string? Word(Expression initial) =>
        initial switch
        {
            NameExpression name => name.Name,
            FieldExpression { Owner: NameExpression owner } field => $"{owner.Name}.{field.Name}",
            _ => null,
        };

    private static (KernelType Type, ulong Value)? Constant(Expression expression) =>
        expression switch
        {
            NumberExpression number => (KernelType.Int, number.Value),
            NameExpression { Name: "true" } => (KernelType.Bool, 1),
            NameExpression { Name: "false" } => (KernelType.Bool, 0),
            NameExpression { Name: "none" } => (KernelType.None, 0),
            SetExpression set when set.Members.All(member => member is NumberExpression { Value: < 64 }) => (
                KernelType.Cpus,
                set.Members.Aggregate(0UL, (mask, member) => mask | (1UL << (int)((NumberExpression)member).Value))
            ),
            _ => null,
        };
}
