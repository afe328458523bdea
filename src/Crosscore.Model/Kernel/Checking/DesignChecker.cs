using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>
/// Checks that every declaration of a design means something: names, types, results, labels, and that no function calls
/// itself.
/// </summary>
internal static class DesignChecker
{
    public static void Check(MergedDesign design)
    {
        foreach (VariableDeclaration variable in design.Variables)
        {
            InitialValues.Check(variable);
        }

        foreach (RoutineDeclaration routine in design.Routines)
        {
            new StatementChecker(design, routine).Check();
        }

        foreach (RoutineDeclaration routine in design.Routines)
        {
            CheckRecursion(design, routine, []);
        }

        foreach (RoutineDeclaration routine in design.Routines.Where(routine => routine.Kind != RoutineKind.Function))
        {
            new ContextChecker(design, routine).Check();
        }
    }

    // Everything is inlined, so that a counterexample shows one line of code after the other.
    private static void CheckRecursion(MergedDesign design, RoutineDeclaration routine, List<string> callers)
    {
        callers.Add(routine.Name);
        foreach (CallExpression call in TreeWalk.Calls(routine.Body))
        {
            if (callers.Contains(call.Name))
            {
                string path = string.Join(
                    " calls ",
                    callers.SkipWhile(name => name != call.Name).Append(call.Name).Select(name => $"'{name}'")
                );
                throw call.Position.Error($"found a recursion, expected none: {path}");
            }

            if (design.FindRoutine(call.Name) is { } callee)
            {
                CheckRecursion(design, callee, callers);
            }
        }

        callers.RemoveAt(callers.Count - 1);
    }
}
