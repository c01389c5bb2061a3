use super::{
    Base, Command, Function, Keeps, Kind, LabelValues, Operand, Parser, Pipeline, Problem, Step, Tokens, Type, verbs,
};

/// The functions whose result is what they are given, or a part of it: what is made with them is made whatever the
/// values are.
const PLAIN: [&str; 4] = ["index", "print", "printf", "println"];

impl Parser {
    /// Commands, up to what is none of theirs; and what comes of them.
    pub(super) fn pipeline(&mut self, tokens: &mut Tokens) -> Result<(Pipeline, Type), Problem> {
        let at = tokens.place();
        self.deeper(at, |parser| {
            let keeps = keeps(tokens)?;
            let mut commands = Vec::new();
            let mut kind = None;
            loop {
                let (command, gives) = parser.command(tokens, kind)?;
                commands.push(command);
                kind = Some(gives);
                if tokens.peek() != Some(&Kind::Pipe) {
                    break;
                }
                tokens.take();
            }
            let kind = kind.unwrap_or(Type::Any);
            if let Some(keeps) = &keeps {
                parser.keep(keeps, kind, at)?;
            }
            Ok((Pipeline { keeps, commands }, kind))
        })
    }

    fn keep(&mut self, keeps: &Keeps, kind: Type, at: usize) -> Result<(), Problem> {
        if keeps.is_new {
            self.variables.push((keeps.name.clone(), kind));
            return Ok(());
        }
        match self.variable(&keeps.name, at)? {
            known if known == kind || known == Type::Any => Ok(()),
            known => Err((at, format!("`${}` is {}, and cannot become {}", keeps.name, known.name(), kind.name()))),
        }
    }

    fn variable(&self, name: &str, at: usize) -> Result<Type, Problem> {
        let found = self.variables.iter().rev().find(|(own, _)| own == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| (at, format!("there is no variable `${name}` here")))
    }

    /// One command; `piped` is what comes before it in its pipeline.
    fn command(&mut self, tokens: &mut Tokens, piped: Option<Type>) -> Result<(Command, Type), Problem> {
        let at = tokens.place();
        let function = match tokens.peek() {
            Some(Kind::Word(word)) if !matches!(word.as_str(), "true" | "false") => {
                let function = Function::named(word).map_err(|problem| (at, problem))?;
                tokens.take();
                Some(function)
            }
            _ => None,
        };
        let (mut arguments, mut kinds) = (Vec::new(), Vec::new());
        while let Some((operand, kind)) = self.operand(tokens)? {
            if tokens.first().is_some_and(|next| !next.spaced && next.kind.is_value()) {
                return Err((tokens.place(), "a space is missing here".to_owned()));
            }
            if function.is_none() && !arguments.is_empty() {
                return Err((operand.at, "a value after a value: only a function takes arguments".to_owned()));
            }
            arguments.push(operand);
            kinds.push(kind);
        }
        let Some(function) = function else {
            return match (arguments.len(), piped) {
                (0, _) => Err((at, "a value is missing here".to_owned())),
                (_, Some(_)) => Err((at, "only a function can stand behind `|`".to_owned())),
                (_, None) => {
                    self.look_up(&arguments, None);
                    Ok((Command { at, function, arguments }, kinds[0]))
                }
            };
        };
        self.look_up(&arguments, Some(function));
        self.decides |= !PLAIN.contains(&function.name);
        if let (Some(Operand { base: Base::Text(format), at, .. }), "printf") = (arguments.first(), function.name) {
            verbs(format).map_err(|problem| (*at, problem))?;
        }
        kinds.extend(piped);
        let gives = function.gives(&kinds).map_err(|problem| (at, problem))?;
        Ok((Command { at, function: Some(function), arguments }, gives))
    }

    /// Remembers which labels' values are looked at.
    fn look_up(&mut self, arguments: &[Operand], function: Option<Function>) {
        let keys = arguments.get(1).filter(|_| arguments.len() == 2);
        for (place, operand) in arguments.iter().enumerate() {
            let Some(map) = operand.steps.iter().position(|step| step.name == "LabelValuesByName") else { continue };
            let key = match (operand.steps.get(map + 1), keys.map(|key| &key.base)) {
                (Some(step), _) => Some(&step.name),
                (None, Some(Base::Text(key))) if place == 0 && function.is_some_and(|own| own.name == "index") => {
                    Some(key)
                }
                _ => None,
            };
            match (key, &mut self.label_values) {
                (Some(key), LabelValues::Named(named)) => named.push(key.clone()),
                (None, all) => *all = LabelValues::Any,
                (Some(_), LabelValues::Any) => {}
            }
        }
    }

    /// One value, if one comes.
    fn operand(&mut self, tokens: &mut Tokens) -> Result<Option<(Operand, Type)>, Problem> {
        let Some(token) = tokens.first() else { return Ok(None) };
        let at = token.at;
        let mut steps = Vec::new();
        let (base, mut kind) = match token.kind.clone() {
            Kind::Dot => (Base::Dot, self.dot),
            Kind::Field(name) => {
                steps.push(Step { at, name });
                (Base::Dot, self.dot)
            }
            Kind::Variable(name) => {
                let kind = self.variable(&name, at)?;
                (Base::Variable(name), kind)
            }
            Kind::Text(text) => (Base::Text(text), Type::Text),
            Kind::Integer(number) => (Base::Integer(number), Type::Integer),
            Kind::Float(number) => (Base::Float(number), Type::Float),
            Kind::Word(word) if matches!(word.as_str(), "true" | "false") => {
                (Base::Boolean(word == "true"), Type::Boolean)
            }
            Kind::Word(word) => return Err((at, format!("`{word}` among arguments: put it in parentheses"))),
            Kind::Open => {
                tokens.take();
                let (pipeline, kind) = self.pipeline(tokens)?;
                if tokens.peek() != Some(&Kind::Close) {
                    return Err((tokens.place(), "`)` is missing".to_owned()));
                }
                (Base::Pipeline(Box::new(pipeline)), kind)
            }
            Kind::Pipe | Kind::Declare | Kind::Assign | Kind::Comma | Kind::Close => return Ok(None),
        };
        tokens.take();
        while let Some(super::Token { spaced: false, kind: Kind::Field(name), at }) = tokens.first().cloned() {
            tokens.take();
            steps.push(Step { at, name });
        }
        for step in &steps {
            kind = kind.field(self.schema, step).map_err(|problem| (step.at, problem))?;
        }
        Ok(Some((Operand { at, base, steps }, kind)))
    }
}

/// The variable that a pipeline is kept as, if it is.
fn keeps(tokens: &mut Tokens) -> Result<Option<Keeps>, Problem> {
    let mut ahead = tokens.left.clone().map(|token| token.kind);
    let (Some(Kind::Variable(name)), Some(sign)) = (ahead.next(), ahead.next()) else { return Ok(None) };
    let is_new = sign == Kind::Declare;
    if !is_new && sign != Kind::Assign {
        return Ok(None);
    }
    let at = tokens.place();
    tokens.take();
    tokens.take();
    match name.as_str() {
        "" => Err((at, "`$` is everything there is, and stays so".to_owned())),
        _ => Ok(Some(Keeps { name, is_new })),
    }
}
